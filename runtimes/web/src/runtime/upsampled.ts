/**
 * Score maps on a coarse grid, upsampled to the image a row at a time, as `groupvit_runtime.upsampled_argmax` defines
 * it: `s[j0] + sum of weight * (s[j] - s[j0])`, columns first, then rows, all in float32.
 */

import type { LabelMap, Size } from "./arrays.ts";
import { composedBands } from "./resize.ts";

const f = Math.fround;

/** Calls `use(y, row)` for every row of the image; `row` is float32 [K, width], and the next call's too. */
export function forEachRow(
  scores: Float32Array, count: number, grid: Size, through: Size, size: Size,
  use: (y: number, row: Float32Array) => void,
): void {
  const across = composedBands(grid.width, through.width, size.width);
  const down = composedBands(grid.height, through.height, size.height);
  const columns = new Float32Array(grid.height * count * size.width);
  for (let k = 0; k < count; k++) {
    for (let gy = 0; gy < grid.height; gy++) {
      const from = (k * grid.height + gy) * grid.width, to = (gy * count + k) * size.width;
      for (let x = 0; x < size.width; x++) {
        const { first, weights } = across[x]!;
        const base = scores[from + first]!;
        let value = base;
        for (let n = 0; n < weights.length; n++) {
          value = f(value + f(weights[n]! * f(scores[from + first + n + 1]! - base)));
        }
        columns[to + x] = value;
      }
    }
  }
  const length = count * size.width;
  const row = new Float32Array(length);
  for (let y = 0; y < size.height; y++) {
    const { first, weights } = down[y]!;
    const base = first * length;
    for (let i = 0; i < length; i++) {
      const start = columns[base + i]!;
      let value = start;
      for (let n = 0; n < weights.length; n++) {
        value = f(value + f(weights[n]! * f(columns[base + (n + 1) * length + i]! - start)));
      }
      row[i] = value;
    }
    use(y, row);
  }
}

/** The largest of K values of one pixel of a row, the lowest on ties. */
export function best(row: Float32Array, count: number, width: number, x: number): number {
  let winner = 0, top = row[x]!;
  for (let k = 1; k < count; k++) {
    const value = row[k * width + x]!;
    if (value > top) {
      winner = k;
      top = value;
    }
  }
  return winner;
}

/** The winning channel of every pixel. */
export function upsampledArgmax(
  scores: Float32Array, count: number, grid: Size, through: Size, size: Size,
): LabelMap {
  const data = new Uint16Array(size.height * size.width);
  forEachRow(scores, count, grid, through, size, (y, row) => {
    for (let x = 0; x < size.width; x++) data[y * size.width + x] = best(row, count, size.width, x);
  });
  return { ...size, data };
}
