"""Half-pixel bilinear interpolation, defined so that any language computes the same bits.

The one definition, used wherever this package interpolates without antialiasing: output index ``d`` of
``dst`` looks at position ``((2d + 1) * src - dst) / (2 * dst)`` of ``src``, held inside ``0 .. src - 1``.
The position is split with integers: ``low`` is its floor, ``t`` the rest as one correctly rounded float32.
A value is ``a + t * (b - a)`` with ``a`` at ``low`` and ``b`` at ``low + 1``: float32, each operation
rounded on its own (no fused multiply-add), columns first, then rows.

PyTorch (``align_corners=False``) computes the position itself in float32, and its sum as
``(1 - t) * a + t * b``; the two agree to about ``1e-7 * src`` of the values' range.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
IndexArray = npt.NDArray[np.intp]


@lru_cache(maxsize=256)
def linear_taps(src: int, dst: int) -> tuple[IndexArray, IndexArray, FloatArray]:
    """The two source indices and the weight of the second, for every output index.

    Args:
        src: length of the source axis, at least 1.
        dst: length of the output axis, at least 1.

    Returns:
        ``low`` [dst], ``high`` [dst] (``min(low + 1, src - 1)``) and ``t`` float32 [dst], all read-only.

    Raises:
        ValueError: a length below 1.
    """
    if src < 1 or dst < 1:
        raise ValueError(f"lengths must be at least 1, got src={src} and dst={dst}")
    position = (2 * np.arange(dst, dtype=np.int64) + 1) * src - dst
    position = np.clip(position, 0, 2 * dst * (src - 1))
    low, rest = np.divmod(position, 2 * dst)
    high = np.minimum(low + 1, src - 1)
    t = (rest / np.float64(2 * dst)).astype(np.float32)
    return _frozen(low.astype(np.intp)), _frozen(high.astype(np.intp)), _frozen(t)


@lru_cache(maxsize=64)
def composed_matrix(src: int, middle: int, dst: int) -> FloatArray:
    """Interpolation from ``src`` to ``middle`` and on to ``dst``, as one matrix.

    Args:
        src: length of the source axis, at least 1.
        middle: length in between, at least 1.
        dst: length of the output axis, at least 1.

    Returns:
        float32 [dst, src]: ``(1 - t) * first[low] + t * first[high]`` in float64, where ``first`` holds
        ``1 - t`` and ``t`` of the first step, rounded once; read-only and shared.

    Raises:
        ValueError: a length below 1.
    """
    low, high, t = linear_taps(middle, dst)
    first = _matrix64(src, middle)
    weight = t.astype(np.float64)[:, None]
    return _frozen(((1 - weight) * first[low] + weight * first[high]).astype(np.float32))


def bilinear(array: FloatArray, size: tuple[int, int]) -> FloatArray:
    """Resize the last two axes.

    Args:
        array: float32 [..., H, W].
        size: (h, w), each at least 1.

    Returns:
        float32 [..., h, w]; the array itself when the size is already right.

    Raises:
        ValueError: another dtype, fewer than two axes, or an empty axis.
    """
    if array.dtype != np.float32 or array.ndim < 2:
        raise ValueError(f"expected float32 [..., H, W], got {array.dtype} {array.shape}")
    if array.shape[-1] != size[1]:
        low, high, t = linear_taps(array.shape[-1], size[1])
        array = _lerp(array.take(low, axis=-1), array.take(high, axis=-1), t)
    if array.shape[-2] != size[0]:
        low, high, t = linear_taps(array.shape[-2], size[0])
        array = _lerp(array.take(low, axis=-2), array.take(high, axis=-2), t[:, None])
    return array


def _lerp(a: FloatArray, b: FloatArray, t: FloatArray) -> FloatArray:
    """``a + t * (b - a)`` in float32, written over ``b``."""
    np.subtract(b, a, out=b)
    np.multiply(b, t, out=b)
    np.add(b, a, out=b)
    return b


def _matrix64(src: int, dst: int) -> npt.NDArray[np.float64]:
    low, high, t = linear_taps(src, dst)
    matrix = np.zeros((dst, src))
    rows = np.arange(dst)
    matrix[rows, low] = 1 - t.astype(np.float64)
    # Added, because at the far edge both taps are the same pixel.
    matrix[rows, high] += t
    return matrix


def _frozen(array: Any) -> Any:
    array.setflags(write=False)
    return array
