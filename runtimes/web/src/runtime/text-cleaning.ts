/**
 * What NVlabs' tokenizer does to a text before it splits it (groupvit_runtime.text_cleaning), of texts that need neither the tables
 * of ftfy nor those of HTML's entities: nearly all that people type. Others are refused.
 */

/** ASCII, with an ampersand only where no entity can begin; curly quotes; Latin letters with an accent, each by itself. */
const PLAIN = /^(?:[ -%'-~]|&(?= |$)|[‘’“”]|(?<!\P{ASCII})[ß-öø-ÿ](?!\P{ASCII}))*$/u;

export function cleanAsNvlabs(text: string): string {
  const single = text.normalize("NFC").replace(/\s+/g, " ").trim();
  if (!PLAIN.test(single)) {
    throw new Error(
      `"${text}" has characters that this model's tokenizer rewrites by tables that the page does not have: ` +
        "type it in plain letters. The Python and the C++ runtime take it.",
    );
  }
  return single.replace(/[‘’]/g, "'").replace(/[“”]/g, '"').toLowerCase();
}
