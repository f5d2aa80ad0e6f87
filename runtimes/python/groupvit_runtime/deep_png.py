"""PNG files of 16-bit color, and the one transparent color that a PNG of any depth may name."""

from __future__ import annotations

from typing import IO, Final

import numpy as np
from numpy.typing import NDArray
from PIL.ImageFile import ImageFile
from PIL.PngImagePlugin import PngImageFile

from groupvit_runtime.image_formats import open_image
from groupvit_runtime.load_image import load_whole
from groupvit_runtime.pixels import RgbArray, gray_to_rgb, over_white, to_eight_bits, white_where

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
    if rawmode in _HALVES or rawmode in (_GRAY, _GRAY_ALPHA):
        samples = _sixteen_bits(image, file, rawmode)
        return _colors(samples, None if key is None else np.asarray(key))
    if key is None or image.mode not in ("1", "L", "RGB"):
        return None
    load_whole(image)
    values = np.asarray(image.convert("L") if image.mode == "1" else image)
    wanted = np.asarray(key) * _SCALES.get(rawmode, 1)
    gray = values.ndim == 2
    transparent = values == wanted if gray else (values == wanted).all(axis=2)
    return white_where(transparent, gray_to_rgb(values) if gray else values)


def _sixteen_bits(image: ImageFile, file: IO[bytes], rawmode: str) -> NDArray[np.uint16]:
    """uint16 [H, W, 1 to 4]."""
    if rawmode == _GRAY:
        return np.asarray(_decoded(image, rawmode)).astype(np.uint16)[:, :, None]
    if rawmode == _GRAY_ALPHA:
        # As long as four samples of 8 bits.
        return np.ascontiguousarray(_decoded(image, "RGBA")).view(">u2").astype(np.uint16)
    high, low = _HALVES[rawmode]
    samples = np.asarray(_decoded(image, high)).astype(np.uint16)
    samples <<= 8
    samples |= np.asarray(_decoded(open_image(file), low))
    return samples


def _decoded(image: ImageFile, rawmode: str) -> ImageFile:
    image.tile = [tile._replace(args=rawmode) for tile in image.tile]
    load_whole(image)
    return image


def _colors(samples: NDArray[np.uint16], key: NDArray[np.int64] | None) -> RgbArray:
    levels = to_eight_bits(samples)
    if levels.shape[2] in (2, 4):
        return over_white(levels[:, :, [0, 0, 0, 1]] if levels.shape[2] == 2 else levels)
    rgb = gray_to_rgb(levels[:, :, 0]) if levels.shape[2] == 1 else levels
    return rgb if key is None else white_where((samples == key).all(axis=2), rgb)
