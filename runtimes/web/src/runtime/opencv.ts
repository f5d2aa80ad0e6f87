/** OpenCV's bilinear resize of uint8, to the byte; see `groupvit_runtime.opencv_resize`. */

import type { RgbImage, Size } from "./arrays.ts";

const f = Math.fround;

interface Taps {
  readonly low: Int32Array;
  readonly high: Int32Array;
  readonly before: Int32Array;
  readonly after: Int32Array;
}

export function opencvBilinear(rgb: RgbImage, size: Size): RgbImage {
  if (rgb.height === size.height && rgb.width === size.width) return rgb;
  if (rgb.height === 2 * size.height && rgb.width === 2 * size.width) return halved(rgb);
  const down = taps(rgb.height, size.height, false), across = taps(rgb.width, size.width, true);
  const narrowed = new Map<number, Int32Array>();
  const narrow = (y: number): Int32Array => {
    let row = narrowed.get(y);
    if (row === undefined) {
      row = new Int32Array(size.width * 3);
      for (let x = 0; x < size.width; x++) {
        for (let c = 0; c < 3; c++) {
          const a = rgb.data[(y * rgb.width + across.low[x]!) * 3 + c]!;
          const b = rgb.data[(y * rgb.width + across.high[x]!) * 3 + c]!;
          row[x * 3 + c] = (a * across.before[x]! + b * across.after[x]!) >> 4;
        }
      }
      narrowed.set(y, row);
    }
    return row;
  };
  const data = new Uint8Array(size.height * size.width * 3);
  for (let y = 0; y < size.height; y++) {
    const top = narrow(down.low[y]!), bottom = narrow(down.high[y]!);
    const above = down.before[y]!, below = down.after[y]!, out = y * size.width * 3;
    for (let i = 0; i < size.width * 3; i++) {
      data[out + i] = (((top[i]! * above) >> 16) + ((bottom[i]! * below) >> 16) + 2) >> 2;
    }
    for (const key of narrowed.keys()) if (key < down.low[y]!) narrowed.delete(key);
  }
  return { ...size, data };
}

function taps(src: number, dst: number, clamped: boolean): Taps {
  const low = new Int32Array(dst), high = new Int32Array(dst);
  const before = new Int32Array(dst), after = new Int32Array(dst);
  // The quotient twice, as OpenCV takes it: its scale is one over the factor.
  const scale = 1 / (dst / src);
  for (let d = 0; d < dst; d++) {
    const position = f((d + 0.5) * scale - 0.5);
    const floor = Math.floor(position);
    const t = clamped && (floor < 0 || floor >= src - 1) ? 0 : f(position - floor);
    low[d] = Math.min(Math.max(floor, 0), src - 1);
    high[d] = Math.min(Math.max(floor + 1, 0), src - 1);
    before[d] = rint(f(f(1 - t) * 2048));
    after[d] = rint(f(t * 2048));
  }
  return { low, high, before, after };
}

/** To the nearest integer, halves to the even one. */
export function rint(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

function halved(rgb: RgbImage): RgbImage {
  const height = rgb.height / 2, width = rgb.width / 2, row = rgb.width * 3;
  const data = new Uint8Array(height * width * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++) {
        const at = 2 * y * row + 6 * x + c;
        const sum = rgb.data[at]! + rgb.data[at + 3]! + rgb.data[at + row]! + rgb.data[at + row + 3]!;
        data[(y * width + x) * 3 + c] = (sum + 2) >> 2;
      }
    }
  }
  return { height, width, data };
}
