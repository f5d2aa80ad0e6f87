"""From the samples of an image to uint8 RGB: depth, alpha, gray."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
from PIL import Image

RgbArray = npt.NDArray[np.uint8]
Samples = npt.NDArray[np.generic]

# Of rows that are worked on at once: what is held between the input and the output stays this small.
STRIP_BYTES = 1 << 22


def by_strips(function: Callable[[Samples], RgbArray], samples: Samples, channels: int | None) -> RgbArray:
    """Apply a function of pixels to a few rows at a time: large images need little more than themselves.

    Args:
        function: from samples [h, W, ...] to uint8 [h, W] or [h, W, channels].
        samples: [H, W, ...].
        channels: of the result; None for [H, W].
    """
    height, width = samples.shape[:2]
    result = np.empty((height, width) if channels is None else (height, width, channels), np.uint8)
    rows = max(STRIP_BYTES // max(samples[:1].nbytes, 1), 1)
    for top in range(0, height, rows):
        result[top : top + rows] = function(samples[top : top + rows])
    return result


def of_images(
    images: Sequence[Image.Image], function: Callable[[Sequence[Image.Image]], RgbArray]
) -> RgbArray:
    """Apply a function of pixels to a few rows at a time of what Pillow has decoded.

    Args:
        images: of one size, loaded. They hold up to four bytes a pixel, and a copy as an array as many again.
        function: from the same rows of each to uint8 [h, W, 3].
    """
    width, height = images[0].size
    step = max(STRIP_BYTES // (4 * width), 1)
    if height <= step:
        return function(images)
    result = np.empty((height, width, 3), np.uint8)
    for top in range(0, height, step):
        bottom = min(top + step, height)
        result[top:bottom] = function([image.crop((0, top, width, bottom)) for image in images])
    return result


def to_eight_bits(values: Samples, maximum: int = 65535) -> npt.NDArray[np.uint8]:
    """``round(255 v / maximum)`` of 0 to `maximum`, which is odd: there is no tie to break.

    For 65535 that is ``(v + 128) // 257``.
    """

    def scaled(strip: Samples) -> RgbArray:
        return ((strip.astype(np.uint32) * 255 + maximum // 2) // maximum).astype(np.uint8)

    return by_strips(scaled, values, values.shape[2] if values.ndim == 3 else None)


def gray_to_rgb(gray: npt.NDArray[np.uint8]) -> RgbArray:
    """uint8 [H, W] to [H, W, 3]."""
    return np.repeat(gray[:, :, None], 3, axis=2)


def over_white(rgba: npt.NDArray[np.uint8]) -> RgbArray:
    """uint8 [H, W, 4] to [H, W, 3]: ``(c * a + 255 * (255 - a) + 127) // 255``."""

    def mixed(strip: Samples) -> RgbArray:
        alpha = strip[:, :, 3:].astype(np.uint16)
        # At most 255 * 255 + 127, which still fits.
        color = strip[:, :, :3].astype(np.uint16)
        return ((color * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)

    return by_strips(mixed, rgba, 3)


def white_where(transparent: npt.NDArray[np.bool_], rgb: RgbArray) -> RgbArray:
    """Make uint8 [H, W, 3] white where bool [H, W] says so, and give it back."""
    rgb[transparent] = 255
    return rgb
