/** From an RGB image to what the engine takes; the same bytes as `groupvit_runtime.preprocess` makes. */

import type { RgbImage, Size } from "./arrays.ts";
import type { Preprocessing } from "./manifest.ts";
import { opencvBilinear, rint } from "./opencv.ts";
import { pillowResize } from "./pillow.ts";
import { linearTaps } from "./resize.ts";
import type { WindowPlan } from "./windows.ts";

const f = Math.fround;

/** The windows of a resized and padded image, in the order of the plan's boxes. */
export function cutWindows(rgb: RgbImage, spec: Preprocessing, plan: WindowPlan): RgbImage[] {
  const { side } = plan, whole = padded(resizeImage(rgb, plan.size, spec), plan.padded);
  return plan.boxes.map(({ top, left }) => {
    const data = new Uint8Array(side * side * 3);
    for (let y = 0; y < side; y++) {
      const from = ((top + y) * whole.width + left) * 3;
      data.set(whole.data.subarray(from, from + side * 3), y * side * 3);
    }
    return { height: side, width: side, data };
  });
}

export function resizeImage(rgb: RgbImage, size: Size, spec: Preprocessing): RgbImage {
  if (rgb.height === size.height && rgb.width === size.width) return rgb;
  if (spec.filter === "opencv_bilinear") return opencvBilinear(rgb, size);
  if (spec.filter === "bilinear" && !spec.antialias) return twoTaps(rgb, size);
  return pillowResize(rgb, size, spec.filter);
}

function padded(rgb: RgbImage, size: Size): RgbImage {
  if (rgb.height === size.height && rgb.width === size.width) return rgb;
  const data = new Uint8Array(size.height * size.width * 3);
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      const from = (Math.min(y, rgb.height - 1) * rgb.width + Math.min(x, rgb.width - 1)) * 3;
      data.set(rgb.data.subarray(from, from + 3), (y * size.width + x) * 3);
    }
  }
  return { ...size, data };
}

function twoTaps(rgb: RgbImage, size: Size): RgbImage {
  const down = linearTaps(rgb.height, size.height), across = linearTaps(rgb.width, size.width);
  const data = new Uint8Array(size.height * size.width * 3);
  const mixed = (row: number, x: number, c: number): number => {
    const a = rgb.data[(row * rgb.width + across.low[x]!) * 3 + c]!;
    const b = rgb.data[(row * rgb.width + across.high[x]!) * 3 + c]!;
    return f(f(f(b - a) * across.t[x]!) + a);
  };
  let to = 0;
  for (let y = 0; y < size.height; y++) {
    for (let x = 0; x < size.width; x++) {
      for (let c = 0; c < 3; c++) {
        const above = mixed(down.low[y]!, x, c), below = mixed(down.high[y]!, x, c);
        data[to++] = rint(f(f(f(below - above) * down.t[y]!) + above));
      }
    }
  }
  return { ...size, data };
}

/** float32 [3, height, width], channels in the order of `spec`. */
export function normalized(rgb: RgbImage, spec: Preprocessing): Float32Array {
  const area = rgb.height * rgb.width;
  const planes = new Float32Array(3 * area);
  for (let c = 0; c < 3; c++) {
    const table = Float32Array.from({ length: 256 }, (_, v) => (v * spec.rescale - spec.mean[c]!) / spec.std[c]!);
    const channel = spec.color_order === "RGB" ? c : 2 - c;
    for (let i = 0; i < area; i++) planes[c * area + i] = table[rgb.data[i * 3 + channel]!]!;
  }
  return planes;
}
