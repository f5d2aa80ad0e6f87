/** Where sliding windows lie on an image; see `groupvit_runtime.windows`. */

import type { Size } from "./arrays.ts";
import type { SlidingWindow } from "./manifest.ts";

export interface WindowPlan {
  readonly boxes: readonly { readonly top: number; readonly left: number }[];
  /** Of the resized image, before padding. */
  readonly size: Size;
  /** That the windows cover. */
  readonly padded: Size;
  readonly side: number;
}

export function planWindows(image: Size, window: SlidingWindow): WindowPlan {
  const long = Math.max(image.height, image.width), short = Math.min(image.height, image.width);
  const scale = Math.min(window.long_side_max / long, window.size / short);
  const scaled = (side: number): number => Math.max(Math.floor(side * scale + 0.5), 1);
  const size = { height: scaled(image.height), width: scaled(image.width) };
  const padded = { height: Math.max(size.height, window.size), width: Math.max(size.width, window.size) };
  const boxes = starts(padded.height, window).flatMap((top) =>
    starts(padded.width, window).map((left) => ({ top, left })));
  return { boxes, size, padded, side: window.size };
}

function starts(length: number, window: SlidingWindow): number[] {
  const count = Math.floor(Math.max(length - window.size + window.stride - 1, 0) / window.stride) + 1;
  return Array.from({ length: count }, (_, index) => Math.min(index * window.stride, length - window.size));
}
