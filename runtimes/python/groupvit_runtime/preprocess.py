"""From a uint8 RGB image to the tensors an engine takes.

All arithmetic is written so that another language computes the same bits:

* ``antialias`` true: Pillow's resize on uint8 (fixed-point coefficients of 22 bits, horizontal pass
  first, each pass rounded to uint8). ``nearest``: Pillow's as well.
* ``opencv_bilinear``: :mod:`groupvit_runtime.opencv_resize`, in integers.
* ``bilinear`` without antialias, in bundles of before: :mod:`groupvit_runtime.resize` in float32, then
  rounded to the nearest integer, ties to even.
* normalizing: a table of 256 values a channel, ``(v * rescale - mean) / std`` computed in float64 in
  that order and rounded once to float32.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
from PIL import Image

from groupvit_runtime.contract import Preprocessing
from groupvit_runtime.opencv_resize import opencv_bilinear
from groupvit_runtime.pixels import STRIP_BYTES
from groupvit_runtime.resize import FloatArray, linear_taps
from groupvit_runtime.windows import WindowPlan

__all__ = ["cut_windows", "normalizing_table", "prepare_whole", "prepare_windows", "resize_image"]

RgbArray = npt.NDArray[np.uint8]

# Floats of the resized image that are worked on at once, so that they stay in a core's own cache.
_BLOCK_VALUES = 1 << 16

_PILLOW_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}


def prepare_whole(
    rgb: RgbArray, size: tuple[int, int], spec: Preprocessing, out: FloatArray | None = None
) -> FloatArray:
    """Squash the whole image to the engine's size and normalize it.

    Args:
        rgb: uint8 [H, W, 3], as :func:`groupvit_runtime.read_image.read_image` returns it.
        size: (h, w) of the engine's input.
        spec: filter, antialiasing, mean and std.
        out: float32 [3, h, w] that is written and returned; None for a new one.

    Returns:
        float32 [3, h, w], channels in ``spec.color_order``.
    """
    return _normalize(resize_image(rgb, size, spec), spec, out)


def prepare_windows(rgb: RgbArray, spec: Preprocessing, plan: WindowPlan) -> FloatArray:
    """Resize the image as planned, pad it by repeating its edge, normalize it and cut it into windows.

    Args:
        rgb: uint8 [H, W, 3], as :func:`groupvit_runtime.read_image.read_image` returns it.
        spec: filter, antialiasing, mean and std.
        plan: from :func:`groupvit_runtime.windows.plan_windows` for an image of [H, W].

    Returns:
        float32 [n, 3, S, S], in the order of ``plan.boxes``.
    """
    planes = _normalize(_padded(rgb, spec, plan), spec)
    pixel_values = np.empty((len(plan.boxes), 3, plan.side, plan.side), np.float32)
    for window, (top, left) in zip(pixel_values, plan.boxes, strict=True):
        window[...] = planes[:, top : top + plan.side, left : left + plan.side]
    return pixel_values


def cut_windows(rgb: RgbArray, spec: Preprocessing, plan: WindowPlan) -> RgbArray:
    """The same as pixels, for an engine that normalizes by itself.

    Args:
        rgb: uint8 [H, W, 3], as :func:`groupvit_runtime.read_image.read_image` returns it.
        spec: filter and antialiasing.
        plan: from :func:`groupvit_runtime.windows.plan_windows` for an image of [H, W].

    Returns:
        uint8 [n, S, S, 3], in the order of ``plan.boxes``.
    """
    image = _padded(rgb, spec, plan)
    boxes = ((slice(top, top + plan.side), slice(left, left + plan.side)) for top, left in plan.boxes)
    return np.stack([image[box] for box in boxes])


def normalizing_table(spec: Preprocessing) -> FloatArray:
    """What every value of a pixel becomes.

    Args:
        spec: scale, mean and std.

    Returns:
        float32 [3, 256], channels in ``spec.color_order``; read-only and shared.
    """
    return _table(spec.rescale, spec.mean, spec.std)


def _padded(rgb: RgbArray, spec: Preprocessing, plan: WindowPlan) -> RgbArray:
    image = resize_image(rgb, plan.size, spec)
    below, right = plan.padded_size[0] - plan.size[0], plan.padded_size[1] - plan.size[1]
    if below or right:
        image = np.pad(image, ((0, below), (0, right), (0, 0)), mode="edge")
    return image


def resize_image(rgb: RgbArray, size: tuple[int, int], spec: Preprocessing) -> RgbArray:
    """Resize as ``spec`` says and round to uint8.

    Args:
        rgb: uint8 [H, W, 3].
        size: (h, w).
        spec: filter and antialiasing.

    Returns:
        uint8 [h, w, 3]; the image itself when the size is already right.
    """
    if rgb.shape[:2] == size:
        return rgb
    if spec.filter == "opencv_bilinear":
        return opencv_bilinear(rgb, size)
    if spec.filter == "bilinear" and not spec.antialias:
        return _resize_two_taps(rgb, size)
    # A pass at a time: Pillow 13 chooses the order of the two by the sizes, earlier ones never did. In the
    # first rows do not see each other, so that no copy of the whole image is needed.
    narrow = np.empty((rgb.shape[0], size[1], 3), np.uint8)
    step = max(STRIP_BYTES // (4 * rgb.shape[1]), 1)
    for top in range(0, len(rgb), step):
        strip = rgb[top : top + step]
        narrow[top : top + step] = _resized(strip, (len(strip), size[1]), spec)
    return _resized(narrow, size, spec)


def _resized(rgb: RgbArray, size: tuple[int, int], spec: Preprocessing) -> RgbArray:
    return np.asarray(Image.fromarray(rgb).resize((size[1], size[0]), _PILLOW_FILTERS[spec.filter]))


def _resize_two_taps(rgb: RgbArray, size: tuple[int, int]) -> RgbArray:
    top, bottom, down = linear_taps(rgb.shape[0], size[0])
    left, right, across = linear_taps(rgb.shape[1], size[1])
    result = np.empty((*size, 3), np.uint8)
    step = max(_BLOCK_VALUES // (size[1] * 3), 1)
    for start in range(0, size[0], step):
        block = slice(start, start + step)
        # Enlarging, neighboring rows share their sources; shrinking, most sources are not looked at.
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


def _normalize(image: RgbArray, spec: Preprocessing, out: FloatArray | None = None) -> FloatArray:
    table = normalizing_table(spec)
    channels = range(3) if spec.color_order == "RGB" else range(2, -1, -1)
    planes = np.empty((3, *image.shape[:2]), np.float32) if out is None else out
    for plane, values, channel in zip(planes, table, channels, strict=True):
        # The mode says only that no index needs checking: uint8 cannot leave 256 entries.
        values.take(image[:, :, channel], out=plane, mode="clip")
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
