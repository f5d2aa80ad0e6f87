"""OpenCV's bilinear resize of uint8, to the bit, which is what NVlabs' pipeline sees.

``cv2.resize(..., interpolation=cv2.INTER_LINEAR)`` is arithmetic on integers, the same on every processor and
from OpenCV 4.5.5 to 5.0. The position of output index ``d`` is ``(d + 0.5) * src / dst - 0.5``, computed in
float64 and rounded to float32; what it has beyond its floor is a weight of 11 bits. Columns first:
``w0 * a + w1 * b``, without its last four bits; then rows: each product with its weight without its last 16
bits, and their sum rounded to the nearest, halves up. Beyond the edge a column has the edge's pixel
whole; a row has it twice, with both weights. Halving both sides is the mean of four pixels, halves up.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

__all__ = ["opencv_bilinear"]

RgbArray = npt.NDArray[np.uint8]
_Indices = npt.NDArray[np.intp]
_Weights = npt.NDArray[np.int32]

_ONE = 1 << 11

# Integers of the resized image that are worked on at once, so that they stay in a core's own cache.
_BLOCK_VALUES = 1 << 16


def opencv_bilinear(rgb: RgbArray, size: tuple[int, int]) -> RgbArray:
    """Resize.

    Args:
        rgb: uint8 [H, W, 3].
        size: (h, w), each at least 1.

    Returns:
        uint8 [h, w, 3]; the image itself when the size is already right.
    """
    if rgb.shape[:2] == size:
        return rgb
    if rgb.shape[:2] == (2 * size[0], 2 * size[1]):
        return _halved(rgb)
    top, bottom, above, below = _taps(rgb.shape[0], size[0], clamped=False)
    left, right, before, after = _taps(rgb.shape[1], size[1], clamped=True)
    # A weight for every color: products of whole rows are faster than of pixels.
    before, after = before.repeat(3), after.repeat(3)
    result = np.empty((size[0], size[1] * 3), np.uint8)
    step = max(_BLOCK_VALUES // result.shape[1], 1)
    for start in range(0, size[0], step):
        block = slice(start, start + step)
        # Enlarging, neighboring rows share their sources; shrinking, most sources are not looked at.
        needed = np.unique(np.concatenate([top[block], bottom[block]]))
        rows = rgb[needed]
        narrow = _products(rows, left, before)
        narrow += _products(rows, right, after)
        narrow >>= 4
        mixed = narrow[np.searchsorted(needed, top[block])]
        mixed *= above[block, None]
        mixed >>= 16
        other = narrow[np.searchsorted(needed, bottom[block])]
        other *= below[block, None]
        other >>= 16
        mixed += other
        mixed += 2
        mixed >>= 2
        result[block] = mixed
    return result.reshape(*size, 3)


def _products(rows: RgbArray, columns: _Indices, weights: _Weights) -> _Weights:
    product = rows.take(columns, axis=1).reshape(len(rows), -1).astype(np.int32)
    product *= weights
    return product


def _halved(rgb: RgbArray) -> RgbArray:
    total = np.full((rgb.shape[0] // 2, rgb.shape[1] // 2, 3), 2, np.uint16)
    for y, x in ((0, 0), (0, 1), (1, 0), (1, 1)):
        total += rgb[y::2, x::2]
    total >>= 2
    return total.astype(np.uint8)


@lru_cache(maxsize=256)
def _taps(src: int, dst: int, *, clamped: bool) -> tuple[_Indices, _Indices, _Weights, _Weights]:
    """Both source indices and their weights; `clamped`: nothing of an index beyond the edge is kept."""
    # The quotient twice, as OpenCV takes it: its scale is one over the factor.
    position = ((np.arange(dst) + 0.5) * (1.0 / (dst / src)) - 0.5).astype(np.float32)
    low = np.floor(position).astype(np.intp)
    t = position - low.astype(np.float32)
    if clamped:
        t[(low < 0) | (low >= src - 1)] = 0
    last = src - 1
    taps = (
        low.clip(0, last),
        (low + 1).clip(0, last),
        np.rint((1 - t) * np.float32(_ONE)).astype(np.int32),
        np.rint(t * np.float32(_ONE)).astype(np.int32),
    )
    for array in taps:
        array.setflags(write=False)
    return taps
