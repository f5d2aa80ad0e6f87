import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { defineConfig, type Plugin } from "vite";

// ONNX Runtime's own files, fetched by the page from beside it when it knows which it needs.
const ORT = ["ort-wasm-simd-threaded", "ort-wasm-simd-threaded.asyncify"].flatMap((name) => [`${name}.mjs`, `${name}.wasm`]);

const BUNDLED = ["onnxruntime-web", "onnxruntime-common", "@huggingface/tokenizers"];

/** Name, version and license of what is in the page, with the license's text where its package has one. */
function licenses(): string {
  const parts = BUNDLED.map((name) => {
    const folder = resolve("node_modules", name);
    const { version, license } = JSON.parse(readFileSync(resolve(folder, "package.json"), "utf-8")) as Record<string, string>;
    const text = resolve(folder, "LICENSE");
    return `${name} ${version}: ${license}\n${existsSync(text) ? `\n${readFileSync(text, "utf-8")}` : ""}`;
  });
  return parts.join("\n");
}

function ortFiles(): Plugin {
  return {
    name: "ort-files",
    apply: "build",
    writeBundle({ dir }) {
      for (const file of ORT) {
        cpSync(resolve("node_modules/onnxruntime-web/dist", file), resolve(dir!, "ort", file));
      }
      writeFileSync(resolve(dir!, "licenses.txt"), licenses());
    },
  };
}

export default defineConfig({
  // The folder may be served from anywhere.
  base: "./",
  resolve: { conditions: ["onnxruntime-web-use-extern-wasm", "module", "browser", "production"] },
  build: { target: "es2022", outDir: "../../groupvit_export/web/site", emptyOutDir: true, modulePreload: { polyfill: false } },
  worker: { format: "es" },
  plugins: [ortFiles()],
});
