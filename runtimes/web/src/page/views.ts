/** The choice of what is drawn over the image. */

import { element, made } from "./elements.ts";

export type View = "labels" | "confidence" | `stage-${number}`;

export class Views {
  readonly #buttons: HTMLButtonElement[];
  #current: View = "labels";

  constructor(stages: number, changed: (view: View) => void) {
    const choices: [View, string][] = [
      ["labels", "Words"],
      ["confidence", "Confidence"],
      ...Array.from({ length: stages }, (_, n): [View, string] => [`stage-${n + 1}`, `Groups of stage ${n + 1}`]),
    ];
    this.#buttons = choices.map(([view, title]) => {
      const button = made("button", { type: "button", textContent: title, role: "radio" });
      button.dataset["view"] = view;
      button.onclick = () => {
        this.#choose(view);
        changed(view);
      };
      return button;
    });
    const host = element("views", HTMLElement);
    host.replaceChildren(...this.#buttons);
    host.onkeydown = (event) => this.#move(event);
    this.#choose("labels");
  }

  get current(): View {
    return this.#current;
  }

  /** The stage whose groups are shown, or null. */
  get stage(): number | null {
    return this.#current.startsWith("stage-") ? Number(this.#current.slice(6)) : null;
  }

  #choose(view: View): void {
    this.#current = view;
    for (const button of this.#buttons) {
      const chosen = button.dataset["view"] === view;
      button.setAttribute("aria-checked", String(chosen));
      button.tabIndex = chosen ? 0 : -1;
    }
  }

  #move(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const at = this.#buttons.findIndex((button) => button.dataset["view"] === this.#current);
    const next = this.#buttons[(at + step + this.#buttons.length) % this.#buttons.length]!;
    next.focus();
    next.click();
  }
}
