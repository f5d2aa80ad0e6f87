"""PNG files of 16-bit color, and the one transparent color that a PNG of any depth may name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngImageFile

from groupvit_runtime.image_formats import open_image
from groupvit_runtime.load_image import load_whole
from groupvit_runtime.pixels import RgbArray, gray_to_rgb, of_images, over_white, to_eight_bits, white_where

# Pillow has no image of 16-bit color. By these orders of bytes it takes the high byte of each sample,
# and the low one.
_HALVES: Final = {"RGB;16B": ("RGB;16B", "RGB;16L"), "RGBA;16B": ("RGBA;16B", "RGBA;16L")}
_GRAY, _GRAY_ALPHA = "I;16B", "LA;16B"
# What a sample of fewer than 8 bits is multiplied with.
_SCALES: Final = {"1": 255, "L;2": 85, "L;4": 17}


def read_png(image: PngImageFile, file: IO[bytes]) -> RgbArray | None:
    """Decode what Pillow would decode otherwise than the PNG specification says.

    Args:
        image: opened and not loaded.
        file: that it was opened from.

    Returns:
        uint8 [H, W, 3], alpha laid over white; None for an image that Pillow decodes exactly, which is left
        as it was.

    Raises:
        OSError: the file is truncated or damaged.
    """
    rawmode = str(image.tile[0][3])
    key = image.info.get("transparency")
    color = None if key is None else np.asarray(key)
    if rawmode in _HALVES:
        high, low = _HALVES[rawmode]
        halves = [_decoded(image, high), _decoded(open_image(file), low)]
        return of_images(halves, lambda strips: _colors(_joined(strips), color))
    if rawmode == _GRAY:
        gray = _decoded(image, rawmode)
        return of_images([gray], lambda strips: _colors(np.asarray(strips[0])[:, :, None], color))
    if rawmode == _GRAY_ALPHA:
        # As long as four samples of 8 bits.
        pairs = _decoded(image, "RGBA")
        return of_images([pairs], lambda strips: _colors(np.asarray(strips[0]).view(">u2"), None))
    if color is None or image.mode not in ("1", "L", "RGB"):
        return None
    load_whole(image)
    return of_images([image], lambda strips: _eight_bits(strips[0], color * _SCALES.get(rawmode, 1)))


def _eight_bits(strip: Image.Image, wanted: NDArray[np.int64]) -> RgbArray:
    values = np.array(strip.convert("L") if strip.mode == "1" else strip)
    if values.ndim == 2:
        return white_where(values == wanted, gray_to_rgb(values))
    return white_where((values == wanted).all(axis=2), values)


def _joined(halves: Sequence[Image.Image]) -> NDArray[np.uint16]:
    """uint16 [h, W, 3 or 4] of the high bytes and the low ones."""
    high, low = (np.asarray(half).astype(np.uint16) for half in halves)
    high <<= 8
    high |= low
    return high


def _decoded(image: ImageFile, rawmode: str) -> ImageFile:
    image.tile = [tile._replace(args=rawmode) for tile in image.tile]
    load_whole(image)
    return image


def _colors(samples: NDArray[np.generic], key: NDArray[np.int64] | None) -> RgbArray:
    levels = to_eight_bits(samples)
    if levels.shape[2] in (2, 4):
        return over_white(levels[:, :, [0, 0, 0, 1]] if levels.shape[2] == 2 else levels)
    rgb = gray_to_rgb(levels[:, :, 0]) if levels.shape[2] == 1 else levels
    return rgb if key is None else white_where((samples == key).all(axis=2), rgb)
