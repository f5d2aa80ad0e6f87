import { cpSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";

// ONNX Runtime's own files, fetched by the page from beside it when it knows which it needs.
const ORT = ["ort-wasm-simd-threaded", "ort-wasm-simd-threaded.asyncify"].flatMap((name) => [`${name}.mjs`, `${name}.wasm`]);

function ortFiles(): Plugin {
  return {
    name: "ort-files",
    apply: "build",
    writeBundle({ dir }) {
      for (const file of ORT) {
        cpSync(resolve("node_modules/onnxruntime-web/dist", file), resolve(dir!, "ort", file));
      }
    },
  };
}

export default defineConfig({
  // The folder may be served from anywhere.
  base: "./",
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser", "production"] },
  build: { target: "es2022", outDir: "../../groupvit_export/web/site", emptyOutDir: true, modulePreload: { polyfill: false }, license: true },
  worker: { format: "es" },
  plugins: [ortFiles()],
});
