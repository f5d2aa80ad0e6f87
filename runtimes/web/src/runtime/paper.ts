/** The paper's way of reading the model: hard groups of sliding windows; see `groupvit_runtime.paper`. */

import type { LabelMap, Size } from "./arrays.ts";
import type { Grouped } from "./hf.ts";
import { checkFinite } from "./arrays.ts";
import type { PaperDecode } from "./manifest.ts";
import { products, softmax } from "./products.ts";
import { linearTaps } from "./resize.ts";
import type { ScoreRows } from "./scores.ts";
import { upsampledArgmax } from "./upsampled.ts";
import type { WindowPlan } from "./windows.ts";

const f = Math.fround;

export interface Window extends Grouped {
  /** float32 [P]. */
  readonly imageEmbed: Float32Array;
}

/** float32 [G, K]: how much each group of a window is worth for each class. */
export function paperAffinity(
  window: Window, text: Float32Array, logitScale: number, decode: PaperDecode,
): Float32Array {
  checkFinite("group_embeds", window.groupEmbeds);
  checkFinite("image_embeds", window.imageEmbed);
  const classes = text.length / window.width;
  const scale = Math.min(Math.exp(logitScale), decode.max_logit_scale);
  const logits = products(window.groupEmbeds, text, window.width).map((value) => scale * value);
  const relevance = Float32Array.from(products(text, window.imageEmbed, window.width));
  const top = Array.from(relevance.keys())
    .sort((a, b) => relevance[b]! - relevance[a]! || a - b)
    .slice(0, decode.top_classes)
    .sort((a, b) => a - b);
  const affinity = new Float32Array(window.groups * classes);
  for (let g = 0; g < window.groups; g++) {
    const row = logits.subarray(g * classes, (g + 1) * classes);
    const all = softmax(row), among = softmax(top.map((k) => row[k]!));
    top.forEach((k, place) => (affinity[g * classes + k] = all[k]! * among[place]!));
  }
  return affinity;
}

/** The background's channel before the others, 1 where a group's best score is below the limit. */
function withBackground(affinity: Float32Array, groups: number, threshold: number): Float32Array {
  const classes = affinity.length / groups;
  const limit = Math.min(f(threshold), affinity.reduce((top, value) => Math.max(top, value), -Infinity));
  const result = new Float32Array(groups * (classes + 1));
  for (let g = 0; g < groups; g++) {
    const row = affinity.subarray(g * classes, (g + 1) * classes);
    result[g * (classes + 1)] = row.every((value) => value < limit) ? 1 : 0;
    result.set(row, g * (classes + 1) + 1);
  }
  return result;
}

/** Scores of an image from its windows: averaged where they overlap, resized bilinearly. Channel 0 is the background
 * where there is a threshold for it. */
export function paperRows(
  plan: WindowPlan, windows: readonly Window[], text: Float32Array, logitScale: number, decode: PaperDecode, size: Size,
): ScoreRows {
  const threshold = decode.background_threshold;
  const tables = windows.map((window) => {
    const affinity = paperAffinity(window, text, logitScale, decode);
    return threshold === null ? affinity : withBackground(affinity, window.groups, threshold);
  });
  const count = text.length / windows[0]!.width + (threshold === null ? 0 : 1);
  const channels = used(tables, count);
  const average = averaged(plan, windows, tables, count, channels);
  return {
    size,
    count,
    forEachRow: (use) => resizedRows(average, plan.size, channels, count, size, use),
    toScores: () => {},
  };
}

/** Channels that are not 0 everywhere. */
function used(tables: readonly Float32Array[], count: number): number[] {
  const found = new Set<number>();
  for (const table of tables) table.forEach((value, index) => value !== 0 && found.add(index % count));
  return [...found].sort((a, b) => a - b);
}

/** float32 [height, width, channels] of the resized image. */
function averaged(
  plan: WindowPlan, windows: readonly Window[], tables: readonly Float32Array[], count: number,
  channels: readonly number[],
): Float32Array {
  const { height, width } = plan.size, many = channels.length;
  const sums = new Float32Array(height * width * many), over = new Uint8Array(height * width);
  const side = { height: plan.side, width: plan.side };
  windows.forEach((window, index) => {
    checkFinite("masks", window.masks);
    const groups = upsampledArgmax(window.masks, window.groups, window.grid, side, side);
    const { top, left } = plan.boxes[index]!, table = tables[index]!;
    for (let y = top; y < Math.min(top + plan.side, height); y++) {
      for (let x = left; x < Math.min(left + plan.side, width); x++) {
        const row = groups.data[(y - top) * plan.side + x - left]! * count, at = y * width + x;
        over[at]!++;
        for (let c = 0; c < many; c++) sums[at * many + c]! += table[row + channels[c]!]!;
      }
    }
  });
  for (let at = 0; at < over.length; at++) {
    for (let c = 0; c < many; c++) sums[at * many + c]! /= over[at]!;
  }
  return sums;
}

function resizedRows(
  average: Float32Array, from: Size, channels: readonly number[], count: number, size: Size,
  use: (y: number, row: Float32Array) => void,
): void {
  const down = linearTaps(from.height, size.height), across = linearTaps(from.width, size.width);
  const many = channels.length, row = new Float32Array(count * size.width);
  for (let y = 0; y < size.height; y++) {
    const top = down.low[y]! * from.width, bottom = down.high[y]! * from.width, t = down.t[y]!;
    // The last call may have changed channels that are 0.
    row.fill(0);
    for (let x = 0; x < size.width; x++) {
      const left = across.low[x]!, right = across.high[x]!, s = across.t[x]!;
      for (let c = 0; c < many; c++) {
        const a = average[(top + left) * many + c]!, b = average[(bottom + left) * many + c]!;
        const above = f(a + f(s * f(average[(top + right) * many + c]! - a)));
        const below = f(b + f(s * f(average[(bottom + right) * many + c]! - b)));
        row[channels[c]! * size.width + x] = f(above + f(t * f(below - above)));
      }
    }
    use(y, row);
  }
}

/** The groups of all windows, numbered through; where windows overlap the first one counts. */
export function windowGroups(plan: WindowPlan, windows: readonly Grouped[], size: Size): LabelMap {
  const side = { height: plan.side, width: plan.side };
  const canvas = new Uint16Array(plan.padded.height * plan.padded.width);
  for (let index = windows.length - 1; index >= 0; index--) {
    const { masks, groups, grid } = windows[index]!, { top, left } = plan.boxes[index]!;
    const own = upsampledArgmax(masks, groups, grid, side, side);
    for (let y = 0; y < plan.side; y++) {
      for (let x = 0; x < plan.side; x++) {
        canvas[(top + y) * plan.padded.width + left + x] = own.data[y * plan.side + x]! + index * groups;
      }
    }
  }
  const data = new Uint16Array(size.height * size.width);
  const nearest = (d: number, src: number, dst: number): number => Math.floor(((2 * d + 1) * src) / (2 * dst));
  for (let y = 0; y < size.height; y++) {
    const from = nearest(y, plan.size.height, size.height) * plan.padded.width;
    for (let x = 0; x < size.width; x++) {
      data[y * size.width + x] = canvas[from + nearest(x, plan.size.width, size.width)]!;
    }
  }
  return { ...size, data };
}
