/** Colors of names: a name has the same one in every picture, as far as no other name of the picture has it. */

export type Color = readonly [number, number, number];

// Told apart half transparent over a photograph: nothing near black, white or gray. Those of the Python runtime.
const COLORS: readonly Color[] = [
  [230, 25, 75], [0, 130, 200], [255, 225, 25], [60, 180, 75], [145, 30, 180], [245, 130, 48], [70, 240, 240],
  [240, 50, 230], [210, 245, 60], [0, 128, 128], [250, 190, 212], [170, 110, 40], [0, 0, 200], [170, 255, 195],
  [128, 0, 0], [220, 190, 255], [128, 128, 0], [255, 160, 122], [0, 70, 130], [100, 60, 255],
  [0, 128, 0], [0, 0, 128], [128, 0, 128], [192, 0, 0], [64, 128, 0], [192, 128, 0], [64, 0, 128],
  [192, 0, 128], [64, 128, 128], [192, 128, 128], [128, 64, 0], [0, 192, 0], [128, 192, 0], [128, 64, 128],
  [0, 192, 128], [128, 192, 128], [192, 64, 0], [64, 192, 0], [192, 192, 0], [64, 64, 128], [192, 64, 128],
  [64, 192, 128], [192, 192, 128], [128, 0, 64], [0, 128, 64], [128, 128, 64], [128, 128, 192], [192, 0, 64],
  [64, 128, 64], [64, 0, 192], [192, 0, 192], [64, 128, 192], [192, 128, 192], [128, 64, 64], [0, 192, 64],
  [128, 192, 64], [0, 64, 192], [0, 192, 192], [128, 192, 192], [192, 64, 64], [192, 192, 64], [64, 64, 192],
  [192, 64, 192], [64, 192, 192],
];

// Those that can be told apart at a glance; the rest is for longer lists.
const TABLE = 20;

export function colorsOf(names: readonly string[]): Color[] {
  const taken = new Set<number>();
  return names.map((name, number) => {
    let place = number < TABLE ? hash(name) % TABLE : number % COLORS.length;
    while (number < TABLE && taken.has(place)) place = (place + 1) % TABLE;
    taken.add(place);
    return COLORS[place]!;
  });
}

/** The color of a group by its number. */
export const groupColor = (group: number): Color => COLORS[group % COLORS.length]!;

/** FNV-1a of the UTF-8 bytes. */
function hash(name: string): number {
  let value = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) value = Math.imul(value ^ byte, 0x01000193) >>> 0;
  return value;
}

/** Dark violet through orange to light yellow, for 0 to 1. */
export function heatColor(value: number): Color {
  const stops: readonly Color[] = [[13, 8, 80], [110, 20, 110], [200, 55, 80], [250, 140, 30], [252, 253, 165]];
  const at = Math.min(Math.max(value, 0), 1) * (stops.length - 1);
  const low = Math.min(Math.floor(at), stops.length - 2), t = at - low;
  const a = stops[low]!, b = stops[low + 1]!;
  return [0, 1, 2].map((c) => Math.round(a[c]! + t * (b[c]! - a[c]!))) as unknown as Color;
}

export const css = ([r, g, b]: Color): string => `rgb(${r} ${g} ${b})`;
