/** Pillow's resize of uint8, to the byte: weights of 22 bits, horizontal pass first, each pass rounded. */

import type { RgbImage, Size } from "./arrays.ts";

const BITS = 22;

type Kernel = { readonly support: number; value(x: number): number };

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(x * Math.PI) / (x * Math.PI));

const KERNELS: Readonly<Record<string, Kernel>> = {
  box: { support: 0.5, value: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, value: (x) => Math.max(1 - Math.abs(x), 0) },
  hamming: {
    support: 1,
    value(x) {
      const a = Math.abs(x) * Math.PI;
      if (a === 0) return 1;
      if (Math.abs(x) >= 1) return 0;
      return (Math.sin(a) / a) * (Math.fround(0.54) + Math.fround(0.46) * Math.cos(a));
    },
  },
  bicubic: {
    support: 2,
    value(x) {
      const a = -0.5, d = Math.abs(x);
      if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
      return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
    },
  },
  lanczos: { support: 3, value: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
};

interface Entry {
  readonly first: number;
  readonly weights: Int32Array;
}

function axis(src: number, dst: number, kernel: Kernel): Entry[] {
  const scale = src / dst, stretch = Math.max(scale, 1);
  const support = kernel.support * stretch, shrink = 1 / stretch;
  return Array.from({ length: dst }, (_, d) => {
    const center = (d + 0.5) * scale;
    const first = Math.max(Math.trunc(center - support + 0.5), 0);
    const stop = Math.min(Math.trunc(center + support + 0.5), src);
    const values: number[] = [];
    let sum = 0;
    for (let i = first; i < stop; i++) {
      values.push(kernel.value((i - center + 0.5) * shrink));
      sum += values[values.length - 1]!;
    }
    const weights = values.map((value) => {
      const scaled = (sum === 0 ? value : value / sum) * 2 ** BITS;
      return Math.trunc(value < 0 ? scaled - 0.5 : scaled + 0.5);
    });
    return { first, weights: Int32Array.from(weights) };
  });
}

/** One pass: `count` lines, their sources and outputs `step` and `outStep` values apart, values `stride` apart. */
function pass(
  source: Uint8Array, out: Uint8Array, entries: readonly Entry[],
  lines: number, line: number, outLine: number, stride: number, outStride: number, values: number,
): void {
  for (let n = 0; n < lines; n++) {
    for (let d = 0; d < entries.length; d++) {
      const { first, weights } = entries[d]!;
      for (let c = 0; c < values; c++) {
        let sum = 1 << (BITS - 1);
        let at = n * line + first * stride + c;
        for (let i = 0; i < weights.length; i++, at += stride) sum += source[at]! * weights[i]!;
        const value = sum >> BITS;
        out[n * outLine + d * outStride + c] = value < 0 ? 0 : value > 255 ? 255 : value;
      }
    }
  }
}

export function pillowResize(rgb: RgbImage, size: Size, filter: string): RgbImage {
  if (filter === "nearest") return nearest(rgb, size);
  const kernel = KERNELS[filter];
  if (kernel === undefined) throw new Error(`unknown filter ${filter}`);
  let current = rgb;
  if (current.width !== size.width) {
    const data = new Uint8Array(current.height * size.width * 3);
    const entries = axis(current.width, size.width, kernel);
    pass(current.data, data, entries, current.height, current.width * 3, size.width * 3, 3, 3, 3);
    current = { height: current.height, width: size.width, data };
  }
  if (current.height !== size.height) {
    const row = size.width * 3;
    const data = new Uint8Array(size.height * row);
    pass(current.data, data, axis(current.height, size.height, kernel), 1, 0, 0, row, row, row);
    current = { ...size, data };
  }
  return current;
}

function nearest(rgb: RgbImage, size: Size): RgbImage {
  const rows = positions(rgb.height, size.height), columns = positions(rgb.width, size.width);
  const data = new Uint8Array(size.height * size.width * 3);
  rows.forEach((y, toY) => columns.forEach((x, toX) => {
    // Beyond the border, where rounding may lead, Pillow leaves black.
    if (y >= rgb.height || x >= rgb.width) return;
    const from = (y * rgb.width + x) * 3;
    data.set(rgb.data.subarray(from, from + 3), (toY * size.width + toX) * 3);
  }));
  return { ...size, data };
}

function positions(src: number, dst: number): number[] {
  const step = src / dst, found: number[] = [];
  for (let d = 0, at = step * 0.5; d < dst; d++, at += step) found.push(Math.trunc(at));
  return found;
}
