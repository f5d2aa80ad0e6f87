/** What the page reads of `manifest.json`; docs/bundle.md describes all of it. */

export interface FileInfo {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
}

export interface TensorInfo {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
}

export interface EngineInfo {
  readonly role: "image" | "text";
  readonly target: string;
  readonly precision: string;
  readonly files: readonly FileInfo[];
  readonly inputs: readonly TensorInfo[];
  readonly outputs: readonly TensorInfo[];
}

export interface Preprocessing {
  readonly resize: "whole" | "short_side";
  readonly filter: string;
  readonly antialias: boolean;
  readonly color_order: "RGB" | "BGR";
  readonly mean: readonly [number, number, number];
  readonly std: readonly [number, number, number];
  readonly rescale: number;
}

export interface SlidingWindow {
  readonly size: number;
  readonly stride: number;
  readonly long_side_max: number;
}

export interface PaperDecode {
  readonly window: SlidingWindow;
  readonly background_threshold: number | null;
  readonly top_classes: number;
  readonly max_logit_scale: number;
}

export type DecodeName = "hf" | "paper";

export interface Manifest {
  readonly format: string;
  readonly schema_version: { readonly major: number; readonly minor: number };
  readonly requires: readonly string[];
  readonly name: string;
  readonly fingerprint: string;
  readonly verdict: "PASS" | "AMBIGUOUS" | "FAIL" | null;
  readonly model: {
    readonly image_size: readonly [number, number];
    readonly grid: readonly [number, number];
    readonly groups: readonly number[];
    readonly projection_dim: number;
    readonly logit_scale: number;
    readonly text_max_length: number;
    readonly text_pad_id: number;
  };
  readonly engines: readonly EngineInfo[];
  readonly tokenizer: FileInfo | null;
  readonly prompts: readonly string[];
  readonly preprocessing: { readonly hf: Preprocessing; readonly paper: Preprocessing };
  readonly decode: { readonly default: DecodeName; readonly paper: PaperDecode | null };
  readonly vocabularies: readonly { readonly name: string; readonly size: number; readonly file: FileInfo }[];
}

const MAJOR = 5;
/** What a runtime has to do beyond the schema's first version, and this one does. */
export const NVLABS_CLEANING = "nvlabs_text_cleaning";

/** Reads and checks it; the rest is protected by the hashes in it. */
export function parseManifest(text: string): Manifest {
  const manifest = JSON.parse(text) as Manifest;
  if (manifest.format !== "groupvit-bundle" || manifest.schema_version.major !== MAJOR) {
    const { major } = manifest.schema_version ?? { major: "none" };
    throw new Error(`manifest.json is of schema ${major}, and this page reads ${MAJOR}: export the page again`);
  }
  const lacking = manifest.requires.filter((need) => need !== NVLABS_CLEANING);
  if (lacking.length > 0) throw new Error(`this page lacks what the model needs: ${lacking.join(", ")}`);
  return manifest;
}

export function engineOf(manifest: Manifest, role: "image" | "text"): EngineInfo {
  const engine = manifest.engines.find((one) => one.role === role);
  if (engine === undefined) throw new Error(`the bundle has no ${role} engine: export it again`);
  return engine;
}
