"""From a uint8 RGB picture to the tensors an engine takes.

All arithmetic is written so that another language computes the same bits:

* ``antialias`` true: Pillow's resize on uint8 (fixed-point coefficients of 22 bits, horizontal pass
  first, each pass rounded to uint8). ``nearest``: Pillow's as well.
* ``bilinear`` without antialias: :mod:`groupvit_runtime.resize` in float32, then rounded to the nearest
  integer, ties to even.
* normalising: a table of 256 values a channel, ``(v * rescale - mean) / std`` computed in float64 in
  that order and rounded once to float32.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from groupvit_runtime.contract import Preprocessing, SlidingWindow
from groupvit_runtime.resize import FloatArray, linear_taps

__all__ = ["Windows", "prepare_whole", "prepare_windows", "resize_picture"]

RgbArray = npt.NDArray[np.uint8]

# Floats of the resized picture that are worked on at once, so that they stay in a core's own cache.
_BLOCK_VALUES = 1 << 16

_PILLOW_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}


@dataclass(frozen=True)
class Windows:
    """A picture cut into square windows.

    Attributes:
        pixel_values: float32 [n, 3, S, S], windows in reading order.
        boxes: (top, left) of each window, in pixels of the padded picture; bottom and right are S further.
        size: (height, width) of the resized picture, before padding.
        padded_size: (height, width) that the windows cover; what lies beyond ``size`` repeats the edge.
    """

    pixel_values: FloatArray
    boxes: tuple[tuple[int, int], ...]
    size: tuple[int, int]
    padded_size: tuple[int, int]


def prepare_whole(rgb: RgbArray, size: tuple[int, int], spec: Preprocessing) -> FloatArray:
    """Squash the whole picture to the engine's size and normalise it.

    Args:
        rgb: uint8 [H, W, 3], as :func:`read_image` returns it.
        size: (h, w) of the engine's input.
        spec: filter, antialiasing, mean and std.

    Returns:
        float32 [3, h, w], channels in ``spec.color_order``.
    """
    return _normalize(resize_picture(rgb, size, spec), spec)


def prepare_windows(rgb: RgbArray, spec: Preprocessing, window: SlidingWindow) -> Windows:
    """Resize the picture in proportion and cut it into overlapping windows.

    The scale is ``min(long_side_max / long, size / short)``; each side becomes ``int(side * scale + 0.5)``
    in float64, at least 1. A side that stays shorter than a window is padded at the bottom or right by
    repeating the edge. Along an axis of length ``n`` there are ``max(n - size + stride - 1, 0) // stride +
    1`` windows, at ``i * stride``, the last moved back to end at the border.

    Args:
        rgb: uint8 [H, W, 3], as :func:`read_image` returns it.
        spec: filter, antialiasing, mean and std.
        window: side, stride and the long side's limit, in pixels.

    Returns:
        The windows and where they lie.
    """
    size = _short_side_size((rgb.shape[0], rgb.shape[1]), window)
    padded = (max(size[0], window.size), max(size[1], window.size))
    picture = resize_picture(rgb, size, spec)
    if padded != size:
        picture = np.pad(picture, ((0, padded[0] - size[0]), (0, padded[1] - size[1]), (0, 0)), mode="edge")
    planes = _normalize(picture, spec)
    boxes = tuple(
        (top, left) for top in _window_starts(padded[0], window) for left in _window_starts(padded[1], window)
    )
    pixel_values = np.empty((len(boxes), 3, window.size, window.size), np.float32)
    for index, (top, left) in enumerate(boxes):
        pixel_values[index] = planes[:, top : top + window.size, left : left + window.size]
    return Windows(pixel_values, boxes, size, padded)


def resize_picture(rgb: RgbArray, size: tuple[int, int], spec: Preprocessing) -> RgbArray:
    """Resize as ``spec`` says and round to uint8.

    Args:
        rgb: uint8 [H, W, 3].
        size: (h, w).
        spec: filter and antialiasing.

    Returns:
        uint8 [h, w, 3]; the picture itself when the size is already right.
    """
    if rgb.shape[:2] == size:
        return rgb
    if spec.filter == "bilinear" and not spec.antialias:
        return _resize_two_taps(rgb, size)
    resized = Image.fromarray(rgb).resize((size[1], size[0]), _PILLOW_FILTERS[spec.filter])
    return np.asarray(resized)


def _short_side_size(size: tuple[int, int], window: SlidingWindow) -> tuple[int, int]:
    scale = min(window.long_side_max / max(size), window.size / min(size))
    # At least 1: a picture of 1 x 10000 would otherwise lose its short side to rounding.
    return max(int(size[0] * scale + 0.5), 1), max(int(size[1] * scale + 0.5), 1)


def _window_starts(length: int, window: SlidingWindow) -> list[int]:
    count = max(length - window.size + window.stride - 1, 0) // window.stride + 1
    return [min(index * window.stride, length - window.size) for index in range(count)]


def _resize_two_taps(rgb: RgbArray, size: tuple[int, int]) -> RgbArray:
    top, bottom, down = linear_taps(rgb.shape[0], size[0])
    left, right, across = linear_taps(rgb.shape[1], size[1])
    result = np.empty((*size, 3), np.uint8)
    step = max(_BLOCK_VALUES // (size[1] * 3), 1)
    for start in range(0, size[0], step):
        block = slice(start, start + step)
        # Enlarging, neighbouring rows share their sources; shrinking, most sources are not looked at.
        needed = np.unique(np.concatenate([top[block], bottom[block]]))
        rows = rgb[needed]
        narrow = _lerp(rows.take(left, axis=1), rows.take(right, axis=1), across[:, None])
        above, below = (narrow[np.searchsorted(needed, source[block])] for source in (top, bottom))
        mixed = _lerp(above, below, down[block, None, None])
        result[block] = np.rint(mixed, out=mixed)
    return result


def _lerp(a: npt.NDArray[np.generic], b: npt.NDArray[np.generic], t: FloatArray) -> FloatArray:
    first = a.astype(np.float32, copy=False)
    difference = np.subtract(b, first, dtype=np.float32)
    difference *= t
    difference += first
    return difference


def _normalize(picture: RgbArray, spec: Preprocessing) -> FloatArray:
    table = _table(spec.rescale, spec.mean, spec.std)
    channels = range(3) if spec.color_order == "RGB" else range(2, -1, -1)
    planes = np.empty((3, *picture.shape[:2]), np.float32)
    for plane, values, channel in zip(planes, table, channels, strict=True):
        # The mode says only that no index needs checking: uint8 cannot leave 256 entries.
        values.take(picture[:, :, channel], out=plane, mode="clip")
    return planes


@lru_cache(maxsize=16)
def _table(
    rescale: float, mean: tuple[float, float, float], std: tuple[float, float, float]
) -> npt.NDArray[np.float32]:
    pixels = np.arange(256, dtype=np.float64)
    rows = [(pixels * rescale - m) / s for m, s in zip(mean, std, strict=True)]
    table = np.stack(rows).astype(np.float32)
    table.setflags(write=False)
    return table
