/** Cleans the texts of the JSON list in the file that it is given; prints a JSON list, null where one is refused. */

import { readFileSync } from "node:fs";
import { cleanAsNvlabs } from "../src/runtime/text-cleaning.ts";

const texts = JSON.parse(readFileSync(process.argv[2]!, "utf-8")) as string[];
const found = texts.map((text) => {
  try {
    return cleanAsNvlabs(text);
  } catch {
    return null;
  }
});
console.log(JSON.stringify(found));
