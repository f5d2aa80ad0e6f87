/** A list of words that can be added and removed, by mouse and by keyboard. */

import { made } from "./elements.ts";

export class Chips {
  readonly #host: HTMLElement;
  readonly #input: HTMLInputElement;
  readonly #changed: () => void;
  #words: string[] = [];

  constructor(host: HTMLElement, labelledBy: string, changed: () => void) {
    this.#host = host;
    this.#changed = changed;
    this.#input = made("input", { type: "text", placeholder: "add a word, or several, with commas", enterKeyHint: "done" });
    this.#input.setAttribute("aria-labelledby", labelledBy);
    this.#input.autocapitalize = "off";
    this.#input.addEventListener("keydown", (event) => this.#pressed(event));
    this.#input.addEventListener("change", () => this.#add());
    host.className = "chips";
    this.#draw();
  }

  get words(): readonly string[] {
    return this.#words;
  }

  set words(words: readonly string[]) {
    this.#words = [...words];
    this.#draw();
  }

  #pressed(event: KeyboardEvent): void {
    if (event.isComposing) return;
    if (event.key === "Enter" || event.key === ",") {
      event.preventDefault();
      this.#add();
    } else if (event.key === "Backspace" && this.#input.value === "" && this.#words.length > 0) {
      this.#remove(this.#words.length - 1);
    }
  }

  #add(): void {
    const known = new Set(this.#words.map((word) => word.toLowerCase()));
    const fresh = this.#input.value
      .split(",")
      .map((word) => word.trim().replace(/\s+/g, " "))
      .filter((word) => word !== "" && !known.has(word.toLowerCase()));
    this.#input.value = "";
    if (fresh.length === 0) return;
    this.#words.push(...fresh);
    this.#draw();
    this.#input.focus();
    this.#changed();
  }

  #remove(index: number): void {
    this.#words.splice(index, 1);
    this.#draw();
    this.#input.focus();
    this.#changed();
  }

  #draw(): void {
    const chips = this.#words.map((word, index) => {
      const button = made("button", { type: "button", textContent: "×", ariaLabel: `remove ${word}` });
      button.addEventListener("click", () => this.#remove(index));
      return made("span", { className: "chip" }, word, button);
    });
    this.#host.replaceChildren(...chips, this.#input);
  }
}
