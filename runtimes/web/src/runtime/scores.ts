/** Scores of every word that competes, row by row of the image, and what is made of them. */

import type { LabelMap, Size } from "./arrays.ts";
import { exponential } from "./exponential.ts";
import { best } from "./upsampled.ts";

const f = Math.fround;

/** A decoded image: its rows are made when they are asked for, so that memory does not grow with the words. */
export interface ScoreRows {
  readonly size: Size;
  /** Words that compete. */
  readonly count: number;
  /** Calls `use(y, row)` for every row; `row` is float32 [count, width] and reused. The largest value wins. */
  forEachRow(use: (y: number, row: Float32Array) => void): void;
  /** Turns a row into scores from 0 to 1, in place. */
  toScores(row: Float32Array): void;
}

export interface Labeled {
  readonly labels: LabelMap;
  /** float32 [height, width]: the best score, of whatever word it is. */
  readonly confidence: Float32Array;
}

/**
 * The label map, with the words from `words` on reported as unlabeled: their label is `words`, and so it is where the
 * best score lies below `threshold`.
 */
export function labeled(scores: ScoreRows, words: number, threshold: number | null): Labeled {
  const { height, width } = scores.size;
  const data = new Uint16Array(height * width), confidence = new Float32Array(height * width);
  const limit = threshold === null ? -1 : f(threshold);
  const winners = new Uint16Array(width);
  scores.forEachRow((y, row) => {
    for (let x = 0; x < width; x++) winners[x] = best(row, scores.count, width, x);
    scores.toScores(row);
    for (let x = 0; x < width; x++) {
      const winner = winners[x]!, score = row[winner * width + x]!;
      confidence[y * width + x] = score;
      data[y * width + x] = winner >= words || score < limit ? words : winner;
    }
  });
  return { labels: { height, width, data }, confidence };
}

/** float32 [height, width]: the score of one word. */
export function heatmap(scores: ScoreRows, word: number): Float32Array {
  const { height, width } = scores.size;
  const plane = new Float32Array(height * width);
  scores.forEachRow((y, row) => {
    scores.toScores(row);
    plane.set(row.subarray(word * width, (word + 1) * width), y * width);
  });
  return plane;
}

/** Softmax over the words of every pixel of a row, in place: all float32, summed in the words' order. */
export function softmaxRow(row: Float32Array, count: number, width: number, scale: number): void {
  for (let x = 0; x < width; x++) {
    let top = row[x]!;
    for (let k = 1; k < count; k++) top = Math.max(top, row[k * width + x]!);
    let total = 0;
    for (let k = 0; k < count; k++) {
      const power = exponential(f(scale * f(row[k * width + x]! - top)));
      row[k * width + x] = power;
      total = f(total + power);
    }
    for (let k = 0; k < count; k++) row[k * width + x] = row[k * width + x]! / total;
  }
}

/** Share of the pixels by label. */
export function shares(labels: LabelMap, count: number): number[] {
  const counts = new Array<number>(count).fill(0);
  for (const label of labels.data) counts[label]!++;
  return counts.map((pixels) => pixels / labels.data.length);
}
