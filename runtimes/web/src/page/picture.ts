/** Images as pixels of a canvas: the picture, labels in color over it, heat maps. */

import type { RgbImage } from "../runtime/arrays.ts";
import type { Color } from "./colors.ts";
import { heatColor } from "./colors.ts";

/** `colorOf` gives null where the picture itself shows. */
export function painted(rgb: RgbImage, opacity: number, colorOf: (pixel: number) => Color | null): ImageData {
  const image = new ImageData(rgb.width, rgb.height);
  for (let i = 0; i < rgb.width * rgb.height; i++) {
    const color = colorOf(i);
    for (let c = 0; c < 3; c++) {
      const value = rgb.data[3 * i + c]!;
      image.data[4 * i + c] = color === null ? value : value + opacity * (color[c]! - value);
    }
    image.data[4 * i + 3] = 255;
  }
  return image;
}

const TABLE = Array.from({ length: 256 }, (_, value) => heatColor(value / 255));

/** Of float32 scores 0 to 1. */
export function heat(scores: Float32Array): (pixel: number) => Color {
  return (pixel) => TABLE[Math.min(Math.max(Math.round(scores[pixel]! * 255), 0), 255)]!;
}

export function draw(canvas: HTMLCanvasElement, image: ImageData): void {
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d")!.putImageData(image, 0, 0);
}
