/** The page: what the user chose, what the model answered, what is drawn. */

import type { RgbImage } from "../runtime/arrays.ts";
import type { Backend } from "../runtime/engine.ts";
import type { DecodeName } from "../runtime/manifest.ts";
import type { Answer, Groups, Question } from "../runtime/segmenter.ts";
import { Chips } from "./chips.ts";
import { type Color, colorsOf, groupColor } from "./colors.ts";
import { element, made } from "./elements.ts";
import { type Entry, showLegend } from "./legend.ts";
import { Model } from "./model.ts";
import { draw, heat, painted } from "./picture.ts";
import type { Loaded } from "./protocol.ts";
import { saveCanvas, saveLabels, saveRecord } from "./save.ts";
import { listen, readSample, type Taken } from "./sources.ts";
import { Views } from "./views.ts";

const ROOT = new URL(".", document.baseURI);

const canvas = element("canvas", HTMLCanvasElement), pointed = element("pointed", HTMLElement);
const opacity = element("opacity", HTMLInputElement), decode = element("decode", HTMLSelectElement);
const useThreshold = element("use-threshold", HTMLInputElement);
const threshold = element("threshold", HTMLInputElement);
const progress = element("progress", HTMLProgressElement);
const saves = ["save-png", "save-overlay", "save-json"].map((id) => element(id, HTMLButtonElement));

const state: {
  image: RgbImage | null;
  name: string;
  question: Question | null;
  answer: Answer | null;
  colors: readonly Color[];
  groups: Groups | null;
  heat: { word: number; scores: Float32Array } | null;
} = { image: null, name: "", question: null, answer: null, colors: [], groups: null, heat: null };

const model = new Model((what, loaded, total) => {
  progress.hidden = loaded >= total;
  progress.value = loaded / total;
  say(`loading ${what}: ${megabytes(loaded)} of ${megabytes(total)} MB`);
});
const words = new Chips(element("words", HTMLElement), "words-title", () => void ask());
const negatives = new Chips(element("negatives", HTMLElement), "negatives-title", () => void ask());

function say(text: string): void {
  element("status", HTMLElement).textContent = text;
}

const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);

/** Shows what went wrong; null when nothing does any more. */
function complain(error: unknown): void {
  const host = element("error", HTMLElement);
  host.hidden = error === null;
  host.textContent = error === null ? "" : error instanceof Error ? error.message : String(error);
}

function question(): Question {
  return {
    words: words.words,
    negatives: negatives.words,
    threshold: useThreshold.checked ? Number(threshold.value) / 100 : null,
    decode: decode.value as DecodeName,
  };
}

let views: Views | null = null;
let loaded: Loaded | null = null;
let asked = 0;

/** Asks anew; an answer that another question has overtaken is dropped. */
async function ask(): Promise<void> {
  const turn = ++asked;
  if (state.image === null) return;
  try {
    const now = question();
    say("segmenting…");
    const answer = await model.call("ask", now);
    const { stage } = views!;
    const groups = stage === null ? null : await model.call("groups", { stage, words: now.words, decode: now.decode });
    if (turn !== asked) return;
    Object.assign(state, { question: now, answer, groups, heat: null, colors: colorsOf(answer.names) });
    const { image, text, decode: decoding } = answer.milliseconds;
    say(`image ${image.toFixed(0)} ms, words ${text.toFixed(0)} ms, decode ${decoding.toFixed(0)} ms`);
    complain(null);
    pointed.textContent = "";
    for (const button of saves) button.disabled = false;
    show();
  } catch (error) {
    if (turn !== asked) return;
    say("");
    complain(error);
  }
}

function show(): void {
  const { image } = state;
  if (image === null) return;
  draw(canvas, painted(image, Number(opacity.value) / 100, colorOf()));
  showLegend(entries(), (word) => void point(word));
}

/** The color over every pixel in the view that is chosen. */
function colorOf(): (pixel: number) => Color | null {
  const { answer, groups, colors } = state;
  if (answer === null) return () => null;
  if (state.heat !== null) return heat(state.heat.scores);
  if (groups !== null) return (pixel) => groupColor(groups.labels.data[pixel]!);
  if (views!.current === "confidence") return heat(answer.confidence);
  return (pixel) => {
    const label = answer.labels.data[pixel]!;
    return label === answer.unlabeled ? null : colors[label]!;
  };
}

function entries(): Entry[] {
  const { answer, groups, colors } = state;
  if (answer === null) return [];
  if (groups === null) {
    return answer.names.map((title, word) => ({
      title,
      color: word === answer.unlabeled ? null : colors[word]!,
      share: answer.shares[word]!,
      word: word === answer.unlabeled ? null : word,
    }));
  }
  const counts = new Array<number>(groups.count).fill(0);
  for (const group of groups.labels.data) counts[group]!++;
  return counts
    .map((pixels, group) => {
      const fitting = groups.words?.[group]?.map(({ word, score }) => `${word} ${score.toFixed(2)}`).join(", ");
      const title = `group ${group + 1}${fitting === undefined ? "" : `: ${fitting}`}`;
      return { title, color: groupColor(group), share: pixels / groups.labels.data.length, word: null };
    })
    .filter(({ share }) => share > 0);
}

let pointing = 0;

/** Shows where a word of the legend scores; null for the view that was chosen. */
async function point(word: number | null): Promise<void> {
  const turn = ++pointing, { image, answer } = state;
  if (image === null || answer === null) return;
  const scores = word === null ? null : await model.call("heatmap", { word });
  if (turn !== pointing || answer !== state.answer) return;
  state.heat = word === null ? null : { word, scores: scores! };
  draw(canvas, painted(image, Number(opacity.value) / 100, colorOf()));
  pointed.textContent = word === null ? "" : `where ${answer.names[word]} scores: dark 0, light 1`;
}

/** Tells class and score under the pointer. */
function tell(event: PointerEvent): void {
  const { answer, groups } = state;
  if (answer === null) return;
  const box = canvas.getBoundingClientRect();
  // The canvas is fitted into its box, which may be wider.
  const scale = Math.min(box.width / canvas.width, box.height / canvas.height);
  const x = Math.floor((event.clientX - box.left - (box.width - canvas.width * scale) / 2) / scale);
  const y = Math.floor((event.clientY - box.top - (box.height - canvas.height * scale) / 2) / scale);
  if (x < 0 || y < 0 || x >= canvas.width || y >= canvas.height) return;
  const pixel = y * canvas.width + x;
  const group = groups === null ? "" : `, group ${groups.labels.data[pixel]! + 1}`;
  const name = answer.names[answer.labels.data[pixel]!]!;
  pointed.textContent = `${name}, best score ${answer.confidence[pixel]!.toFixed(2)}${group} at ${x}, ${y}`;
}

async function take(taken: Promise<Taken>): Promise<void> {
  try {
    const { image, name } = await taken;
    await model.call("setImage", image);
    Object.assign(state, { image, name: name.replace(/\.[^.]*$/, ""), answer: null, groups: null, heat: null });
    show();
    await ask();
  } catch (error) {
    complain(error);
  }
}

function describe(loaded: Loaded): void {
  const facts: [string, string][] = [
    ["bundle", loaded.name],
    ["engine", loaded.engine],
    ["verdict", loaded.verdict ?? "not compared with the reference"],
    ["digest", loaded.digest],
  ];
  element("facts", HTMLElement).replaceChildren(
    ...facts.flatMap(([term, text]) => [made("dt", {}, term), made("dd", {}, text)]));
  decode.replaceChildren(...loaded.decodes.map((name) => made("option", { value: name, textContent: name })));
  decode.value = loaded.decode;
  if (!loaded.isolated) {
    const note = "One thread: the server does not isolate the page (Cross-Origin-Opener-Policy, -Embedder-Policy).";
    element("facts", HTMLElement).append(made("dt", {}, "note"), made("dd", {}, note));
  }
  if (loaded.verdict === "FAIL") complain(new Error("this bundle was exported although it does not equal the reference"));
}

async function start(): Promise<void> {
  const backend = new URLSearchParams(location.search).get("backend") as Backend | null;
  say("loading the model…");
  loaded = await model.call("load", { root: ROOT.href, backend });
  views = new Views(loaded.stages, () => void ask());
  progress.hidden = true;
  describe(loaded);
  words.words = loaded.words;
  const sample = new URL("sample.png", ROOT);
  listen((taken) => void take(taken), sample);
  await take(readSample(sample));
  document.body.dataset["ready"] = "true";
}

for (const [button, save] of [
  [saves[0]!, () => saveLabels(state.answer!, `${state.name}.labels.png`)],
  [saves[1]!, () => saveCanvas(canvas, `${state.name}.overlay.png`)],
  [saves[2]!, async () => saveRecord(state.answer!, state.question!, loaded!, state.colors, `${state.name}.json`)],
] as const) {
  button.onclick = () => void save().catch(complain);
}

opacity.oninput = show;
decode.onchange = () => void ask();
useThreshold.onchange = () => {
  threshold.disabled = !useThreshold.checked;
  void ask();
};
threshold.oninput = () => {
  element("threshold-value", HTMLOutputElement).textContent = (Number(threshold.value) / 100).toFixed(2);
};
threshold.onchange = () => void ask();
canvas.onpointermove = tell;
canvas.onpointerleave = () => (pointed.textContent = "");

start().catch((error: unknown) => {
  progress.hidden = true;
  say("");
  complain(error);
});
