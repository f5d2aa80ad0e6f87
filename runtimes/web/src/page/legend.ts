/** Names with their colors, largest share first; pointing at one shows its heat map. */

import { type Color, css } from "./colors.ts";
import { element, made } from "./elements.ts";

export interface Entry {
  readonly title: string;
  readonly color: Color | null;
  readonly share: number;
  /** Index of the word whose heat map is shown; null for none. */
  readonly word: number | null;
}

export function showLegend(entries: readonly Entry[], point: (word: number | null) => void): void {
  const items = [...entries]
    .sort((a, b) => b.share - a.share)
    .map(({ title, color, share, word }) => {
      const swatch = made("span", { className: "swatch" });
      if (color !== null) swatch.style.background = css(color);
      const percent = `${(100 * share).toFixed(share > 0 && share < 0.1 ? 1 : 0)} %`;
      const item = made("li", {}, swatch, made("span", {}, title), made("span", { className: "share" }, percent));
      if (word !== null) {
        item.tabIndex = 0;
        item.setAttribute("aria-label", `${title}, ${percent}; shows where it scores`);
        item.onpointerenter = item.onfocus = () => point(word);
        item.onpointerleave = item.onblur = () => point(null);
      }
      return item;
    });
  element("legend", HTMLOListElement).replaceChildren(...items);
}
