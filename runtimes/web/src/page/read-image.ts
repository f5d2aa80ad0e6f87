/** Files, pasted pictures and camera frames to RGB. */

import type { RgbImage } from "../runtime/arrays.ts";

const MOST_PIXELS = 50_000_000;

/** Decodes as it is stored: upright, no color conversion, transparent pixels over white. */
export async function readImage(source: Blob): Promise<RgbImage> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(source, {
      colorSpaceConversion: "none", premultiplyAlpha: "none", imageOrientation: "from-image",
    });
  } catch {
    throw new Error("this file is no image that the browser can read: try a PNG, JPEG or WebP");
  }
  try {
    return pixels(bitmap, bitmap.width, bitmap.height);
  } finally {
    bitmap.close();
  }
}

/** What a playing video shows. */
export function readFrame(video: HTMLVideoElement): RgbImage {
  return pixels(video, video.videoWidth, video.videoHeight);
}

function pixels(source: CanvasImageSource, width: number, height: number): RgbImage {
  if (width * height > MOST_PIXELS) {
    throw new Error(`the image has ${width} × ${height} pixels, more than ${MOST_PIXELS / 1e6} million: shrink it`);
  }
  if (width === 0 || height === 0) throw new Error("the image has no pixels");
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true })!;
  context.drawImage(source, 0, 0);
  const { data } = context.getImageData(0, 0, width, height);
  const rgb = new Uint8Array(width * height * 3);
  for (let i = 0; i < width * height; i++) {
    const alpha = data[4 * i + 3]!;
    for (let c = 0; c < 3; c++) {
      const value = data[4 * i + c]!;
      // As the runtimes lay it over white.
      rgb[3 * i + c] = alpha === 255 ? value : Math.floor((value * alpha + 255 * (255 - alpha) + 127) / 255);
    }
  }
  return { width, height, data: rgb };
}
