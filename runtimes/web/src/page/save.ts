/** Files for the user to keep. */

import type { Answer } from "../runtime/segmenter.ts";
import type { Question } from "../runtime/segmenter.ts";
import type { Color } from "./colors.ts";
import type { Loaded } from "./protocol.ts";

export async function saveCanvas(canvas: HTMLCanvasElement, name: string): Promise<void> {
  const blob = await new Promise<Blob | null>((done) => canvas.toBlob(done, "image/png"));
  if (blob === null) throw new Error("the browser could not write the PNG");
  offer(blob, name);
}

/** Labels as gray values: the number of a label is its place among the names of the JSON. */
export async function saveLabels(answer: Answer, name: string): Promise<void> {
  const { width, height, data } = answer.labels;
  if (answer.names.length > 256) throw new Error("a PNG of the browser holds 256 labels at most");
  const image = new ImageData(width, height);
  data.forEach((label, i) => image.data.set([label, label, label, 255], 4 * i));
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  canvas.getContext("2d")!.putImageData(image, 0, 0);
  await saveCanvas(canvas, name);
}

export function saveRecord(
  answer: Answer, question: Question, model: Loaded, colors: readonly Color[], name: string,
): void {
  const record = {
    bundle: { name: model.name, digest: model.digest, engine: model.engine },
    width: answer.labels.width,
    height: answer.labels.height,
    names: answer.names,
    colors,
    shares: answer.shares,
    unlabeled: answer.unlabeled,
    negatives: question.negatives,
    threshold: question.threshold,
    decode: question.decode,
    milliseconds: answer.milliseconds,
  };
  offer(new Blob([`${JSON.stringify(record, null, 2)}\n`], { type: "application/json" }), name);
}

function offer(blob: Blob, name: string): void {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
