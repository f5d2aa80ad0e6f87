/** What the page and its worker say to each other. */

import type { RgbImage } from "../runtime/arrays.ts";
import type { Backend } from "../runtime/engine.ts";
import type { DecodeName } from "../runtime/manifest.ts";
import type { Answer, Groups, Question } from "../runtime/segmenter.ts";

export interface Calls {
  load: { given: { root: string; backend: Backend | null }; found: Loaded };
  setImage: { given: RgbImage; found: null };
  ask: { given: Question; found: Answer };
  heatmap: { given: { word: number }; found: Float32Array };
  groups: { given: { stage: number; words: readonly string[]; decode: DecodeName }; found: Groups };
}

export interface Loaded {
  readonly name: string;
  readonly verdict: string | null;
  readonly digest: string;
  readonly engine: string;
  readonly stages: number;
  readonly decodes: readonly DecodeName[];
  readonly decode: DecodeName;
  readonly isolated: boolean;
  readonly words: readonly string[];
}

export type CallName = keyof Calls;

export interface Request<Name extends CallName = CallName> {
  readonly id: number;
  readonly name: Name;
  readonly given: Calls[Name]["given"];
}

export type Reply =
  | { readonly id: number; readonly found: unknown }
  | { readonly id: number; readonly error: string }
  | { readonly progress: { readonly what: string; readonly loaded: number; readonly total: number } };
