/** What the page looks for before anybody has typed a word. */

/** Of the checkpoint that the package ships, whose tokenizer knows few words. */
const DEMO = {
  fingerprint: "d78255aabf7856a3838376797fe0884cbb68d12210f2b20cc4f3183d3bb603c0",
  words: ["red car", "water", "yellow boat", "grass", "purple house", "mountain", "sky", "blue balloon", "tree"],
} as const;

/** Of models of photographs. */
const COMMON = ["person", "animal", "vehicle", "building", "tree", "grass", "water", "sky"] as const;

/** As many of a vocabulary as can be told apart at a glance. */
const MOST = 20;

/** The names of the bundle's first vocabulary; without one, common words, and the demo's own where it is the demo. */
export function firstWords(fingerprint: string, vocabulary: Uint8Array | null): string[] {
  if (vocabulary !== null) return vocabularyNames(vocabulary).slice(0, MOST);
  return [...(fingerprint === DEMO.fingerprint ? DEMO.words : COMMON)];
}

/** Of a safetensors file: eight bytes with its header's length, and JSON. */
function vocabularyNames(file: Uint8Array): string[] {
  const length = Number(new DataView(file.buffer, file.byteOffset, 8).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))) as { __metadata__: { names: string } };
  return JSON.parse(header.__metadata__.names) as string[];
}
