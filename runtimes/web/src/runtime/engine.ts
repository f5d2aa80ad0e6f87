/** Engines: ONNX files in ONNX Runtime Web, on WebGPU where there is one, else in WebAssembly. */

import type * as Ort from "onnxruntime-web";
import type { Tensor } from "./arrays.ts";

export type Backend = "webgpu" | "wasm";

export interface Runtime {
  readonly ort: typeof Ort;
  readonly backend: Backend;
  readonly threads: number;
}

/** What an engine is given. */
export interface Input {
  readonly name: string;
  readonly type: "float32" | "int64" | "uint8";
  readonly data: Float32Array | BigInt64Array | Uint8Array;
  readonly shape: readonly number[];
}

const MOST_THREADS = 8;
/** Nothing is printed: what goes wrong is thrown, too. */
const FATAL = 4;

/** The backend that was asked for, or the best that is here. There is no silent change from one that was asked for. */
export async function openRuntime(wanted: Backend | null, root: URL): Promise<Runtime> {
  const backend = wanted ?? ((await hasWebGpu()) ? "webgpu" : "wasm");
  const ort = (backend === "webgpu"
    ? await import("onnxruntime-web/webgpu")
    : await import("onnxruntime-web/wasm")) as typeof Ort;
  // Threads share memory, which browsers allow to pages that are isolated from others.
  const threads = globalThis.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency || 1, MOST_THREADS) : 1;
  ort.env.wasm.numThreads = threads;
  ort.env.wasm.wasmPaths = new URL("ort/", root).href;
  ort.env.logLevel = "fatal";
  return { ort, backend, threads };
}

async function hasWebGpu(): Promise<boolean> {
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<object | null> } };
  return gpu !== undefined && (await gpu.requestAdapter()) !== null;
}

/** A loaded engine. */
export class Engine {
  readonly #runtime: Runtime;
  readonly #session: Ort.InferenceSession;

  private constructor(runtime: Runtime, session: Ort.InferenceSession) {
    this.#runtime = runtime;
    this.#session = session;
  }

  static async load(runtime: Runtime, model: Uint8Array, backend: Backend): Promise<Engine> {
    const session = await runtime.ort.InferenceSession.create(model, {
      executionProviders: [backend],
      logSeverityLevel: FATAL,
    });
    return new Engine(runtime, session);
  }

  /** Outputs of float32 by name. */
  async run({ name, type, data, shape }: Input, wanted: readonly string[]): Promise<Map<string, Tensor>> {
    const input = new this.#runtime.ort.Tensor(type as "float32", data as Float32Array, shape);
    const found = await this.#session.run({ [name]: input }, [...wanted]);
    const outputs = new Map<string, Tensor>();
    for (const output of wanted) {
      const tensor = found[output];
      if (tensor === undefined || tensor.type !== "float32") throw new Error(`the engine gave no ${output}`);
      outputs.set(output, { data: (await tensor.getData()) as Float32Array, shape: tensor.dims });
      tensor.dispose();
    }
    input.dispose();
    return outputs;
  }
}
