/** The worker, as functions that can be awaited. */

import type { CallName, Calls, Reply, Request } from "./protocol.ts";

export type OnProgress = (what: string, loaded: number, total: number) => void;

interface Waiting {
  readonly resolve: (found: never) => void;
  readonly reject: (error: Error) => void;
}

export class Model {
  readonly #worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  readonly #waiting = new Map<number, Waiting>();
  #next = 0;

  constructor(onProgress: OnProgress) {
    this.#worker.onmessage = ({ data }: MessageEvent<Reply>) => {
      if ("progress" in data) {
        onProgress(data.progress.what, data.progress.loaded, data.progress.total);
        return;
      }
      const waiting = this.#waiting.get(data.id)!;
      this.#waiting.delete(data.id);
      if ("error" in data) waiting.reject(new Error(data.error));
      else waiting.resolve(data.found as never);
    };
    this.#worker.onerror = (event) => {
      const error = new Error(`the model's worker stopped: ${event.message || "it could not be loaded"}`);
      for (const waiting of this.#waiting.values()) waiting.reject(error);
      this.#waiting.clear();
    };
  }

  call<Name extends CallName>(name: Name, given: Calls[Name]["given"]): Promise<Calls[Name]["found"]> {
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve: resolve as (found: never) => void, reject });
      this.#worker.postMessage({ id, name, given } satisfies Request<Name>);
    });
  }
}
