/** Answers the cases of tests/golden/image.json: reads the file that it is given, prints a SHA-256 a case. */

import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import type { RgbImage, Size } from "../src/runtime/arrays.ts";
import { hfGroups, hfRows } from "../src/runtime/hf.ts";
import type { PaperDecode, Preprocessing, SlidingWindow } from "../src/runtime/manifest.ts";
import { paperRows, type Window, windowGroups } from "../src/runtime/paper.ts";
import { cutWindows, normalized, resizeImage } from "../src/runtime/preprocess.ts";
import { labeled } from "../src/runtime/scores.ts";
import { planWindows } from "../src/runtime/windows.ts";

interface Case {
  readonly seed: number;
  readonly function: string;
  readonly image: [number, number];
  readonly size: [number, number];
  readonly preprocessing: Preprocessing;
  readonly window: SlidingWindow;
  readonly groups: number;
  readonly grid: [number, number];
  readonly width: number;
  readonly classes: number;
  readonly pixels: [number, number];
  readonly logit_scale: number;
  readonly top_classes: number;
  readonly max_logit_scale: number;
  readonly background_threshold: number | null;
}

const MASK = (1n << 64n) - 1n;

/** The leading bits of SplitMix64's numbers. */
function randomBits(seed: number, array: number, count: number, bits: bigint): number[] {
  const found: number[] = [];
  let state = (BigInt(seed) << 32n) + BigInt(array);
  for (let i = 0; i < count; i++) {
    state = (state + 0x9e3779b97f4a7c15n) & MASK;
    let z = state;
    z = ((z ^ (z >> 30n)) * 0xbf58476d1ce4e5b9n) & MASK;
    z = ((z ^ (z >> 27n)) * 0x94d049bb133111ebn) & MASK;
    found.push(Number((z ^ (z >> 31n)) >> (64n - bits)));
  }
  return found;
}

function floats(seed: number, array: number, count: number, low: number): Float32Array {
  return Float32Array.from(randomBits(seed, array, count, 24n), (v) => (v * (1 - low)) / 2 ** 24 + low);
}

const sizeOf = ([height, width]: readonly [number, number]): Size => ({ height, width });

function image(one: Case): RgbImage {
  const size = sizeOf(one.image);
  return { ...size, data: Uint8Array.from(randomBits(one.seed, 0, size.height * size.width * 3, 8n)) };
}

function decoded(one: Case): Uint16Array {
  const size = sizeOf(one.size), grid = sizeOf(one.grid), { seed, groups, width } = one;
  const plan = one.window ? planWindows(size, one.window) : null;
  const count = plan ? plan.boxes.length : 1, area = grid.height * grid.width;
  const masks = floats(seed, 1, count * groups * area, 0);
  const groupEmbeds = floats(seed, 2, count * groups * width, -1);
  const imageEmbeds = floats(seed, 3, count * width, -1);
  const text = floats(seed, 4, one.classes * width, -1);
  const windows: Window[] = Array.from({ length: count }, (_, n) => ({
    masks: masks.subarray(n * groups * area, (n + 1) * groups * area),
    groupEmbeds: groupEmbeds.subarray(n * groups * width, (n + 1) * groups * width),
    imageEmbed: imageEmbeds.subarray(n * width, (n + 1) * width),
    groups, grid, width,
  }));
  switch (one.function) {
    case "hf_decode": {
      const rows = hfRows(windows[0]!, text, 0, sizeOf(one.pixels), size);
      return labeled(rows, one.classes, null).labels.data;
    }
    case "hf_groups":
      return hfGroups(masks, groups, grid, sizeOf(one.pixels), size).data;
    case "window_groups":
      return windowGroups(plan!, windows, size).data;
    case "paper_decode": {
      const decode = one as unknown as PaperDecode;
      const rows = paperRows(plan!, windows, text, one.logit_scale, decode, size);
      return labeled(rows, rows.count, null).labels.data;
    }
  }
  throw new Error(`no function of this name: ${one.function}`);
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.length * parts[0]!.length);
  parts.forEach((part, n) => all.set(part, n * part.length));
  return all;
}

function answer(one: Case): Uint8Array | Float32Array | Uint16Array {
  switch (one.function) {
    case "resize_image":
      return resizeImage(image(one), sizeOf(one.size), one.preprocessing).data;
    case "prepare_whole":
      return normalized(resizeImage(image(one), sizeOf(one.size), one.preprocessing), one.preprocessing);
    case "prepare_windows":
      return joined(
        cutWindows(image(one), one.preprocessing, planWindows(sizeOf(one.image), one.window)).map((window) =>
          normalized(window, one.preprocessing)),
      );
  }
  return decoded(one);
}

const { cases } = JSON.parse(readFileSync(process.argv[2]!, "utf-8")) as { cases: Case[] };
for (const one of cases) {
  const { buffer, byteOffset, byteLength } = answer(one);
  console.log(createHash("sha256").update(new Uint8Array(buffer, byteOffset, byteLength)).digest("hex"));
}
