/** The label map as Hugging Face reads the model; see `groupvit_runtime.decode`. */

import type { LabelMap, Size } from "./arrays.ts";
import { checkFinite } from "./arrays.ts";
import { products } from "./products.ts";
import { type ScoreRows, softmaxRow } from "./scores.ts";
import { forEachRow, upsampledArgmax } from "./upsampled.ts";

const f = Math.fround;

export interface Grouped {
  /** float32 [G, gh, gw]. */
  readonly masks: Float32Array;
  readonly groups: number;
  readonly grid: Size;
  /** float32 [G, P], unit vectors. */
  readonly groupEmbeds: Float32Array;
  readonly width: number;
}

/** float32 [K, gh, gw]: class scores on the grid. */
export function hfScores(found: Grouped, text: Float32Array): Float32Array {
  checkFinite("masks", found.masks);
  checkFinite("group_embeds", found.groupEmbeds);
  const { groups, masks, grid, width } = found;
  const classes = text.length / width, area = grid.height * grid.width;
  const similarity = Float32Array.from(products(text, found.groupEmbeds, width));
  const scores = new Float32Array(classes * area);
  for (let k = 0; k < classes; k++) {
    for (let i = 0; i < area; i++) {
      let sum = 0;
      for (let g = 0; g < groups; g++) sum += similarity[k * groups + g]! * masks[g * area + i]!;
      scores[k * area + i] = sum;
    }
  }
  return scores;
}

/**
 * Scores of an image: softmax over the words of `exp(logit_scale)` times the mixture of similarities.
 *
 * @param pixels of the engine's input, through which the model upsamples
 * @param size of the image
 */
export function hfRows(found: Grouped, text: Float32Array, logitScale: number, pixels: Size, size: Size): ScoreRows {
  const scores = hfScores(found, text), count = text.length / found.width;
  const scale = f(Math.exp(logitScale));
  return {
    size,
    count,
    forEachRow: (use) => forEachRow(scores, count, found.grid, pixels, size, use),
    toScores: (row) => softmaxRow(row, count, size.width, scale),
  };
}

/** The group of every pixel. */
export function hfGroups(masks: Float32Array, groups: number, grid: Size, pixels: Size, size: Size): LabelMap {
  checkFinite("masks", masks);
  return upsampledArgmax(masks, groups, grid, pixels, size);
}
