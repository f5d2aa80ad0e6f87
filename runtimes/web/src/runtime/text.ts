/** Words to embeddings: prompts, tokens, the text engine, average over the prompts. */

import { Tokenizer } from "@huggingface/tokenizers";
import type { Tensor } from "./arrays.ts";
import { type Manifest, NVLABS_CLEANING } from "./manifest.ts";
import { cleanAsNvlabs } from "./text-cleaning.ts";

export type RunText = (ids: BigInt64Array, shape: readonly [number, number]) => Promise<Tensor>;

/** Encodes words, each once. */
export class TextEncoder {
  readonly #tokenizer: Tokenizer;
  readonly #manifest: Manifest;
  readonly #run: RunText;
  readonly #known = new Map<string, Float32Array>();

  constructor(tokenizer: object, manifest: Manifest, run: RunText) {
    this.#tokenizer = new Tokenizer(tokenizer, {});
    this.#manifest = manifest;
    this.#run = run;
  }

  /** float32 [K, P], unit vectors. An empty word is the empty sentence, in no prompt. */
  async encode(words: readonly string[]): Promise<Float32Array> {
    for (const word of words) {
      if (!this.#known.has(word)) this.#known.set(word, await this.#embed(word));
    }
    const width = this.#manifest.model.projection_dim;
    const all = new Float32Array(words.length * width);
    words.forEach((word, index) => all.set(this.#known.get(word)!, index * width));
    return all;
  }

  async #embed(word: string): Promise<Float32Array> {
    const sentences = word === "" ? [""] : this.#manifest.prompts.map((prompt) => filled(prompt, word));
    const ids = sentences.map((sentence) => this.#ids(sentence));
    const length = Math.max(...ids.map((row) => row.length));
    const batch = new BigInt64Array(ids.length * length).fill(BigInt(this.#manifest.model.text_pad_id));
    ids.forEach((row, n) => row.forEach((id, place) => (batch[n * length + place] = BigInt(id))));
    const { data } = await this.#run(batch, [ids.length, length]);
    return unitMean(data, ids.length);
  }

  #ids(given: string): number[] {
    const sentence = this.#manifest.requires.includes(NVLABS_CLEANING) ? cleanAsNvlabs(given) : given;
    const around = new Set(this.#tokenizer.encode("").ids);
    const words = this.#tokenizer.encode(sentence, { add_special_tokens: false }).ids;
    // A word-level tokenizer without a token for the rest gives none.
    if (words.some((id) => id === undefined)) {
      throw new Error(`"${sentence}" has a word that this model's tokenizer does not know`);
    }
    const special = words.find((id) => around.has(id));
    if (special !== undefined) {
      throw new Error(`"${sentence}" has ${this.#tokenizer.id_to_token(special)}, which the model reads as its end`);
    }
    const { ids } = this.#tokenizer.encode(sentence);
    const most = this.#manifest.model.text_max_length;
    if (ids.length > most) throw new Error(`"${sentence}" has ${ids.length} tokens; the model reads at most ${most}`);
    return ids;
  }
}

/** A prompt with the word in its place; braces are doubled in it. */
function filled(prompt: string, word: string): string {
  const place = prompt.indexOf("{}");
  const plain = (text: string): string => text.replaceAll("{{", "{").replaceAll("}}", "}");
  return plain(prompt.slice(0, place)) + word + plain(prompt.slice(place + 2));
}

/** The mean of `count` rows, as a unit vector. */
function unitMean(rows: Float32Array, count: number): Float32Array {
  const width = rows.length / count;
  const mean = new Float64Array(width);
  rows.forEach((value, index) => (mean[index % width]! += value / count));
  const norm = Math.sqrt(mean.reduce((sum, value) => sum + value * value, 0));
  if (!(norm > 0) || !Number.isFinite(norm)) throw new Error("the text engine gave no direction for a word");
  return Float32Array.from(mean, (value) => value / norm);
}

/** Words as they compete: white space single, none empty, none twice. */
export function cleaned(words: readonly string[]): string[] {
  const found = new Map<string, string>();
  for (const word of words) {
    const name = word.replace(/^\ufeff/, "").trim().replace(/\s+/g, " ");
    if (/[\p{Cc}\p{Cs}]/u.test(name)) throw new Error("a word has a control character");
    if (name !== "" && !found.has(keyOf(name))) found.set(keyOf(name), name);
  }
  return [...found.values()];
}

/** What is equal for words that a reader takes for one. */
export const keyOf = (word: string): string => word.normalize("NFC").toLowerCase();
