/** Runs the model beside the page, so that the page stays responsive. */

import { Segmenter } from "../runtime/segmenter.ts";
import type { CallName, Calls, Loaded, Reply, Request } from "./protocol.ts";

let segmenter: Segmenter | null = null;

const HANDLERS: { [Name in CallName]: (given: Calls[Name]["given"]) => Promise<Calls[Name]["found"]> } = {
  async load({ root, backend }): Promise<Loaded> {
    segmenter = await Segmenter.load(new URL(root), backend, (what, loaded, total) =>
      post({ progress: { what, loaded, total } }));
    const { manifest, runtime, digest, words } = segmenter;
    const image = manifest.engines.find((engine) => engine.role === "image")!;
    const threads = runtime.backend === "wasm" ? `, ${runtime.threads} thread${runtime.threads > 1 ? "s" : ""}` : "";
    return {
      name: manifest.name,
      verdict: manifest.verdict,
      digest,
      engine: `ONNX Runtime Web, ${runtime.backend === "wasm" ? "WebAssembly" : "WebGPU"}${threads}, ${image.precision}`,
      stages: manifest.model.groups.length,
      decodes: manifest.decode.paper === null ? ["hf"] : ["hf", "paper"],
      decode: manifest.decode.default,
      isolated: globalThis.crossOriginIsolated,
      words,
    };
  },
  async setImage(rgb) {
    loaded().setImage(rgb);
    return null;
  },
  ask: (question) => loaded().ask(question),
  heatmap: async ({ word }) => loaded().heatmap(word),
  groups: ({ stage, words, decode }) => loaded().groups(stage, words, decode),
};

function loaded(): Segmenter {
  if (segmenter === null) throw new Error("the model is not loaded yet");
  return segmenter;
}

function post(reply: Reply): void {
  self.postMessage(reply);
}

// One call after the other: the model has one image at a time.
let turn: Promise<unknown> = Promise.resolve();

self.onmessage = ({ data }: MessageEvent<Request>) => {
  turn = turn.then(async () => {
    try {
      const handle = HANDLERS[data.name] as (given: unknown) => Promise<unknown>;
      post({ id: data.id, found: await handle(data.given) });
    } catch (error) {
      post({ id: data.id, error: error instanceof Error ? error.message : String(error) });
    }
  });
};
