/** What the stages of the model group the image into. */

import type { LabelMap, Size, Tensor } from "./arrays.ts";
import { hfGroups } from "./hf.ts";
import { products, softmax } from "./products.ts";

/**
 * Soft maps of the groups of a stage on the patches: the product of the soft maps up to it.
 *
 * @param softMaps of one image, [G_s, N_s] of every stage
 */
export function stageMasks(softMaps: readonly Tensor[], stage: number): Tensor {
  let masks = softMaps[0]!;
  for (const next of softMaps.slice(1, stage)) {
    const [groups, inner] = next.shape as [number, number], tokens = masks.shape[1]!;
    const data = new Float32Array(groups * tokens);
    for (let g = 0; g < groups; g++) {
      for (let n = 0; n < tokens; n++) {
        let sum = 0;
        for (let i = 0; i < inner; i++) sum += next.data[g * inner + i]! * masks.data[i * tokens + n]!;
        data[g * tokens + n] = sum;
      }
    }
    masks = { data, shape: [groups, tokens] };
  }
  return masks;
}

/** The group of every pixel. */
export function stageGroups(masks: Tensor, grid: Size, pixels: Size, size: Size): LabelMap {
  return hfGroups(masks.data, masks.shape[0]!, grid, pixels, size);
}

/** The best words of every group with their probabilities: softmax over the words of the scaled similarity. */
export function groupWords(
  groupEmbeds: Float32Array, text: Float32Array, words: readonly string[], width: number, scale: number, top: number,
): { readonly word: string; readonly score: number }[][] {
  const similarity = products(groupEmbeds, text, width), many = words.length;
  return Array.from({ length: groupEmbeds.length / width }, (_, g) => {
    const scores = softmax(similarity.subarray(g * many, (g + 1) * many).map((value) => scale * value));
    return words
      .map((word, k) => ({ word, score: scores[k]! }))
      .sort((a, b) => b.score - a.score)
      .slice(0, top);
  });
}
