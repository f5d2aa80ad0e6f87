/** Images and words in, label maps out. */

import { item, type LabelMap, type RgbImage, type Size, type Tensor } from "./arrays.ts";
import { type Backend, Engine, type Input, openRuntime, type Runtime } from "./engine.ts";
import { type Progress, sha256, verified } from "./files.ts";
import { firstWords } from "./first-words.ts";
import { groupWords, stageGroups, stageMasks } from "./groups.ts";
import { type Grouped, hfRows } from "./hf.ts";
import { type DecodeName, engineOf, type Manifest, parseManifest, type Preprocessing } from "./manifest.ts";
import { paperRows, type Window, windowGroups } from "./paper.ts";
import { cutWindows, normalized, resizeImage } from "./preprocess.ts";
import { heatmap, labeled, type ScoreRows, shares } from "./scores.ts";
import { cleaned, keyOf, TextEncoder } from "./text.ts";
import { planWindows, type WindowPlan } from "./windows.ts";

export interface Question {
  readonly words: readonly string[];
  readonly negatives: readonly string[];
  readonly threshold: number | null;
  readonly decode: DecodeName;
}

export interface Answer {
  /** Names of the labels: the words, and "unlabeled" where something can be. */
  readonly names: readonly string[];
  /** Index of "unlabeled", or null. */
  readonly unlabeled: number | null;
  readonly labels: LabelMap;
  readonly confidence: Float32Array;
  readonly shares: readonly number[];
  readonly milliseconds: { readonly image: number; readonly text: number; readonly decode: number };
}

export interface Groups {
  readonly labels: LabelMap;
  readonly count: number;
  /** Of every group, where the stage is the last. */
  readonly words: readonly (readonly { readonly word: string; readonly score: number }[])[] | null;
}

/** What the engine made of an image, for one decode. */
interface Encoded {
  readonly windows: readonly (Window & { readonly softMaps: readonly Tensor[] })[];
  readonly plan: WindowPlan | null;
}

export const UNLABELED = "unlabeled";

export class Segmenter {
  readonly manifest: Manifest;
  readonly runtime: Runtime;
  /** Of the bundle: SHA-256 of its manifest, which has the hashes of the other files. */
  readonly digest: string;
  /** To begin with. */
  readonly words: readonly string[];
  readonly #image: Engine;
  readonly #text: TextEncoder;
  #rgb: RgbImage | null = null;
  #encoded = new Map<DecodeName, Encoded>();
  #rows: ScoreRows | null = null;

  private constructor(
    manifest: Manifest, runtime: Runtime, digest: string, words: readonly string[], image: Engine, text: TextEncoder,
  ) {
    this.manifest = manifest;
    this.runtime = runtime;
    this.digest = digest;
    this.words = words;
    this.#image = image;
    this.#text = text;
  }

  /** Loads the bundle that lies in the folder `root`. */
  static async load(root: URL, backend: Backend | null, progress: Progress): Promise<Segmenter> {
    const response = await fetch(new URL("manifest.json", root), { cache: "no-cache" });
    if (!response.ok) throw new Error(`there is no bundle in ${root.href}: ${response.status}`);
    const bytes = new Uint8Array(await response.arrayBuffer());
    const manifest = parseManifest(new TextDecoder().decode(bytes));
    if (manifest.tokenizer === null) throw new Error("the bundle has no tokenizer: export it with one");
    const runtime = await openRuntime(backend, root);
    const [imageFile] = engineOf(manifest, "image").files, [textFile] = engineOf(manifest, "text").files;
    const image = await Engine.load(runtime, await verified(root, imageFile!, progress), runtime.backend);
    const text = await Engine.load(runtime, await verified(root, textFile!, progress), "wasm");
    const tokenizer = new TextDecoder().decode(await verified(root, manifest.tokenizer, progress));
    const encoder = new TextEncoder(JSON.parse(tokenizer) as object, manifest, async (ids, shape) => {
      const input: Input = { name: "input_ids", type: "int64", data: ids, shape };
      const outputs = await text.run(input, ["text_embeds"]);
      return outputs.get("text_embeds")!;
    });
    const [vocabulary] = manifest.vocabularies;
    const names = vocabulary === undefined ? null : await verified(root, vocabulary.file, progress);
    const words = firstWords(manifest.fingerprint, names);
    return new Segmenter(manifest, runtime, await sha256(bytes), words, image, encoder);
  }

  /** The image that questions are about; the engine runs when the first one comes. */
  setImage(rgb: RgbImage): void {
    this.#rgb = rgb;
    this.#encoded.clear();
    this.#rows = null;
  }

  async ask(question: Question): Promise<Answer> {
    const words = cleaned(question.words);
    const negatives = cleaned(question.negatives), taken = new Set(words.map(keyOf));
    const both = negatives.find((word) => taken.has(keyOf(word)));
    if (both !== undefined) throw new Error(`"${both}" is a word and a negative word: remove one of the two`);
    if (words.length === 0) throw new Error("type a word to look for");
    // Alone, a word would win everywhere.
    const implied = words.length === 1 && negatives.length === 0 && question.threshold !== null ? [""] : [];
    const competing = [...words, ...negatives, ...implied];
    const start = performance.now();
    const text = await this.#text.encode(competing);
    const encoded = performance.now();
    const seen = await this.#encode(question.decode);
    const ran = performance.now();
    const rows = this.#scores(seen, text);
    const { labels, confidence } = labeled(rows, words.length, question.threshold);
    this.#rows = rows;
    const abstains = question.threshold !== null || negatives.length > 0;
    const names = abstains ? [...words, UNLABELED] : words;
    return {
      names,
      unlabeled: abstains ? words.length : null,
      labels,
      confidence,
      shares: shares(labels, names.length),
      milliseconds: { text: encoded - start, image: ran - encoded, decode: performance.now() - ran },
    };
  }

  /** Scores of one word of the last question, float32 [height, width]. */
  heatmap(word: number): Float32Array {
    if (this.#rows === null) throw new Error("nothing was asked yet");
    return heatmap(this.#rows, word);
  }

  /** The groups of a stage, from 1; the last stage's with the words that fit them best. */
  async groups(stage: number, words: readonly string[], decode: DecodeName): Promise<Groups> {
    const { windows, plan } = await this.#encode(decode);
    const last = stage === this.manifest.model.groups.length, size = this.#size();
    const masks = windows.map((window) => stageMasks(window.softMaps, stage));
    const count = masks[0]!.shape[0]!;
    const { grid } = windows[0]!;
    const labels = plan === null
      ? stageGroups(masks[0]!, grid, this.#pixels(), size)
      : windowGroups(plan, masks.map((mask, n) => ({ ...windows[n]!, masks: mask.data, groups: count })), size);
    const names = cleaned(words);
    if (!last || names.length === 0) return { labels, count: count * windows.length, words: null };
    const text = await this.#text.encode(names), scale = Math.exp(this.manifest.model.logit_scale);
    const fitting = windows.flatMap((window) =>
      groupWords(window.groupEmbeds, text, names, window.width, scale, 3));
    return { labels, count: count * windows.length, words: fitting };
  }

  #size(): Size {
    if (this.#rgb === null) throw new Error("choose an image first");
    return { height: this.#rgb.height, width: this.#rgb.width };
  }

  #pixels(): Size {
    const [height, width] = this.manifest.model.image_size;
    return { height, width };
  }

  #scores({ windows, plan }: Encoded, text: Float32Array): ScoreRows {
    const { model, decode } = this.manifest;
    if (plan === null) return hfRows(windows[0]!, text, model.logit_scale, this.#pixels(), this.#size());
    // What the page calls unlabeled is the threshold's: the paper's background is not asked for.
    const paper = { ...decode.paper!, background_threshold: null };
    return paperRows(plan, windows, text, model.logit_scale, paper, this.#size());
  }

  async #encode(decode: DecodeName): Promise<Encoded> {
    const known = this.#encoded.get(decode);
    if (known !== undefined) return known;
    const rgb = this.#rgb;
    if (rgb === null) throw new Error("choose an image first");
    const { preprocessing } = this.manifest;
    const paper = this.manifest.decode.paper;
    if (decode === "paper" && paper === null) throw new Error("this model has no paper decode: it is not square");
    const plan = decode === "paper" ? planWindows(this.#size(), paper!.window) : null;
    const spec = plan === null ? preprocessing.hf : preprocessing.paper;
    const pixels = plan === null ? [resizeImage(rgb, this.#pixels(), spec)] : cutWindows(rgb, spec, plan);
    const windows = [];
    // One after the other: a batch would take the memory of all of them at once.
    for (const window of pixels) windows.push(await this.#window(window, spec));
    const encoded = { windows, plan };
    this.#encoded.set(decode, encoded);
    return encoded;
  }

  /** Pixels, where the engine normalizes them itself; else normalized planes. */
  #input(rgb: RgbImage, spec: Preprocessing): Input {
    const { height, width } = rgb;
    const takesPixels = engineOf(this.manifest, "image").inputs.some(({ name }) => name === "pixels");
    return takesPixels
      ? { name: "pixels", type: "uint8", data: rgb.data, shape: [1, height, width, 3] }
      : { name: "pixel_values", type: "float32", data: normalized(rgb, spec), shape: [1, 3, height, width] };
  }

  async #window(rgb: RgbImage, spec: Preprocessing): Promise<Window & { softMaps: Tensor[] }> {
    const { model } = this.manifest;
    const stages = model.groups.map((_, index) => `soft_map_${index + 1}`);
    const found = await this.#image.run(
      this.#input(rgb, spec), ["image_embeds", "group_embeds", "masks", ...stages],
    );
    const of = (name: string): Tensor => item(found.get(name)!, 0);
    const grouped: Grouped = {
      masks: of("masks").data,
      groups: model.groups[model.groups.length - 1]!,
      grid: { height: model.grid[0], width: model.grid[1] },
      groupEmbeds: of("group_embeds").data,
      width: model.projection_dim,
    };
    return { ...grouped, imageEmbed: of("image_embeds").data, softMaps: stages.map(of) };
  }
}
