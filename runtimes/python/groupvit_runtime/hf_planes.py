"""The probability of every class at every pixel, the Hugging Face way.

Hugging Face's segmentation logits carry ``exp(logit_scale)`` twice, and their softmax would be 0 or 1 nearly
everywhere. The probability is CLIP's, with the scale once: with ``s`` the class scores of
:func:`groupvit_runtime.decode.hf_scores`, upsampled to the image as
:mod:`groupvit_runtime.upsampled_argmax` defines it, and ``t = exp(logit_scale)`` rounded to float32,

1. ``m`` is the largest ``s`` at the pixel;
2. ``e[k] = exponential(t * (s[k] - m))`` (:mod:`groupvit_runtime.exponential`);
3. ``p[k] = e[k] / total``, where ``total`` is the sum of ``e`` in ascending order.

All in float32, each operation rounded on its own. The largest probability is ``1 / total``, and at each pixel
they sum to 1 up to rounding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from groupvit_runtime.exponential import SMALLEST_ARGUMENT, exponential
from groupvit_runtime.interpolation_bands import Axis, Band, interpolation_axis
from groupvit_runtime.resize import FloatArray

# Floats of one block: three of them stay in a core's own cache.
_BLOCK_VALUES = 1 << 16
_LEAST_COLUMNS = 64
# Floats of the columns that are computed for all rows at once.
_COLUMN_VALUES = 1 << 21


@dataclass(frozen=True)
class _Block:
    """Part of an image: its rows and columns, and the scores [planes, rows, columns] there."""

    rows: slice
    columns: slice
    values: FloatArray


class _Scratch:
    """Arrays that every block uses anew."""

    def __init__(self, values: int) -> None:
        self._arrays = [np.empty(values, np.float32) for _ in range(3)]

    def like(self, shape: tuple[int, ...]) -> list[FloatArray]:
        """Three C-contiguous arrays of a shape, whose values are anything."""
        count = int(np.prod(shape))
        return [array[:count].reshape(shape) for array in self._arrays]


@dataclass(frozen=True, eq=False)
class HfPlanes:
    """The planes of one image.

    Attributes:
        scores: float32 [S, gh, gw], from `hf_scores`.
        logit_scale: the checkpoint's parameter, of which the model takes ``exp``.
        through: (H, W) of the engine's input, through which the model upsamples.
        size: (H, W) of the image.
    """

    scores: FloatArray
    logit_scale: float
    through: tuple[int, int]
    size: tuple[int, int]

    @property
    def count(self) -> int:
        return len(self.scores)

    def fill(self, first: int, out: FloatArray) -> None:
        scratch = self._scratch()
        for block in self._blocks(first, out.shape[1], scratch):
            total = self._exponentials(block.values, scratch)
            np.divide(block.values, total, out=out[:, block.rows, block.columns])

    def fill_plane(self, index: int, first: int, out: FloatArray) -> None:
        scratch = self._scratch()
        for block in self._blocks(first, len(out), scratch):
            total = self._exponentials(block.values, scratch)
            np.divide(block.values[index], total, out=out[block.rows, block.columns])

    def fill_best(self, first: int, out: FloatArray) -> None:
        scratch = self._scratch()
        for block in self._blocks(first, len(out), scratch):
            total = self._exponentials(block.values, scratch)
            np.divide(np.float32(1), total, out=out[block.rows, block.columns])

    def coarse(self) -> FloatArray:
        result = self.scores.copy()
        total = self._exponentials(result, _Scratch(result.size))
        result /= total
        return result

    @cached_property
    def _scale(self) -> np.float32:
        return np.float32(np.exp(np.float64(self.logit_scale)))

    @cached_property
    def _reaches_zero(self) -> bool:
        spread = self.scores.max() - self.scores.min()
        # Interpolated scores leave the range of the nodes' by rounding only.
        return bool(self._scale * spread > -SMALLEST_ARGUMENT - 1)

    def _scratch(self) -> _Scratch:
        return _Scratch(max(_BLOCK_VALUES, self.count * min(self.size[1], _LEAST_COLUMNS)))

    def _blocks(self, first: int, rows: int, scratch: _Scratch) -> Iterator[_Block]:
        """Upsampled scores of the rows from ``first`` on. They lie in the first array of the scratch."""
        width = self.size[1]
        down = interpolation_axis(self.scores.shape[1], self.through[0], self.size[0])
        across = interpolation_axis(self.scores.shape[2], self.through[1], width)
        columns = min(width, max(_BLOCK_VALUES // self.count, _LEAST_COLUMNS))
        high = max(_BLOCK_VALUES // (self.count * columns), 1)
        bands = down.part(first, first + rows).bands
        # Columns of all rows at once: a call for every band of columns is what they cost.
        low, end = bands[0].first, max(band.first + band.span for band in bands)
        shared = self.count * (end - low) * columns <= _COLUMN_VALUES
        for left in range(0, width, columns):
            right = min(left + columns, width)
            part = across.part(left, right)
            every = _columns(self.scores[:, low:end], part) if shared else None
            for band in bands:
                own = slice(band.first, band.first + band.span)
                if every is None:
                    nodes = _columns(self.scores[:, own], part)
                else:
                    nodes = every[:, own.start - low : own.stop - low]
                for top in range(band.start, band.stop, high):
                    bottom = min(top + high, band.stop)
                    values, term, _ = scratch.like((self.count, bottom - top, right - left))
                    _rows(nodes, band, slice(top - band.start, bottom - band.start), values, term)
                    yield _Block(slice(top, bottom), slice(left, right), values)

    def _exponentials(self, values: FloatArray, scratch: _Scratch) -> FloatArray:
        """Replace scores by ``e``; their sum [rows, columns]."""
        _, *free = scratch.like(values.shape)
        values -= values.max(axis=0)
        values *= self._scale
        exponential(values, (free[0], free[1]), reaches_zero=self._reaches_zero)
        total = values[0].copy()
        # One after the other: NumPy's own sum may have another order.
        for plane in values[1:]:
            total += plane
        return total


def _columns(nodes: FloatArray, across: Axis) -> FloatArray:
    """Step 1 of the upsampling, [S, n, gw] to [S, n, w]."""
    result = np.empty((*nodes.shape[:2], across.bands[-1].stop), np.float32)
    for band in across.bands:
        base = nodes[:, :, band.first, None]
        part = result[:, :, band.start : band.stop]
        part[...] = base
        for offset in range(1, band.span):
            part += band.weights[offset] * (nodes[:, :, band.first + offset, None] - base)
    return result


def _rows(columns: FloatArray, band: Band, which: slice, out: FloatArray, term: FloatArray) -> None:
    """Step 2, [S, span, w] to ``which`` of the band's rows, [S, rows, w]; ``term`` is overwritten."""
    base = columns[:, 0, None]
    if band.span == 1:
        out[...] = base
        return
    for offset in range(1, band.span):
        weight = band.weights[offset, which, None]
        difference = columns[:, offset, None] - base
        if offset == 1:
            np.multiply(weight, difference, out=out)
            out += base
        else:
            np.multiply(weight, difference, out=term)
            out += term
