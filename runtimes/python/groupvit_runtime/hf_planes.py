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

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from groupvit_runtime.exponential import SMALLEST_ARGUMENT, exponential
from groupvit_runtime.interpolation_bands import Axis, interpolation_axis
from groupvit_runtime.resize import FloatArray

# Floats of one block: three of them stay in a core's own cache.
_BLOCK_VALUES = 1 << 16
_LEAST_COLUMNS = 64
# Floats of the columns that are computed for all rows at once.
_COLUMN_VALUES = 1 << 21


@dataclass(frozen=True)
class _Block:
    """Part of an image: its rows and columns, and the scores [rows, planes, columns] there."""

    rows: slice
    columns: slice
    values: FloatArray


class _Scratch:
    """Arrays that every block uses anew."""

    def __init__(self, values: int) -> None:
        self._arrays = [np.empty(values, np.float32) for _ in range(3)]

    def like(self, shape: tuple[int, ...]) -> list[FloatArray]:
        """Three C-contiguous arrays of a shape, whose values are anything."""
        count = math.prod(shape)
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
            place = out[:, block.rows, block.columns].transpose(1, 0, 2)
            np.divide(block.values, total[:, None], out=place)

    def fill_plane(self, index: int, first: int, out: FloatArray) -> None:
        scratch = self._scratch()
        for block in self._blocks(first, len(out), scratch):
            total = self._exponentials(block.values, scratch)
            np.divide(block.values[:, index], total, out=out[block.rows, block.columns])

    def fill_best(self, first: int, out: FloatArray) -> None:
        scratch = self._scratch()
        for block in self._blocks(first, len(out), scratch):
            total = self._exponentials(block.values, scratch)
            np.divide(np.float32(1), total, out=out[block.rows, block.columns])

    def coarse(self) -> FloatArray:
        values = np.ascontiguousarray(self.scores.transpose(1, 0, 2))
        values /= self._exponentials(values, _Scratch(values.size))[:, None]
        return np.ascontiguousarray(values.transpose(1, 0, 2))

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
        nodes = self.scores.transpose(1, 0, 2)
        for left in range(0, width, columns):
            right = min(left + columns, width)
            part = across.part(left, right)
            every = _columns(nodes[low:end], part) if shared else None
            for band in bands:
                stop = band.first + band.span
                shown = nodes[band.first : stop]
                ends = _columns(shown, part) if every is None else every[band.first - low : stop - low]
                steps = ends[1:] - ends[0]
                for top in range(band.start, band.stop, high):
                    bottom = min(top + high, band.stop)
                    values, *_ = scratch.like((bottom - top, self.count, right - left))
                    _rows(ends[0], steps, band.weights[1:, top - band.start : bottom - band.start], values)
                    yield _Block(slice(top, bottom), slice(left, right), values)

    def _exponentials(self, values: FloatArray, scratch: _Scratch) -> FloatArray:
        """Replace scores [rows, planes, columns] by ``e``; their sum [rows, columns]."""
        _, *free = scratch.like(values.shape)
        values -= values.max(axis=1, keepdims=True)
        values *= self._scale
        exponential(values, (free[0], free[1]), reaches_zero=self._reaches_zero)
        if values.shape[2] >= _LEAST_COLUMNS:
            # Along an axis that is not the last, NumPy adds one after the other.
            return cast("FloatArray", np.add.reduce(values, axis=1))
        total = values[:, 0].copy()
        for index in range(1, self.count):
            total += values[:, index]
        return total


def _columns(nodes: FloatArray, across: Axis) -> FloatArray:
    """Step 1 of the upsampling, [n, S, gw] to [n, S, w]."""
    result = np.empty((*nodes.shape[:2], across.bands[-1].stop), np.float32)
    for band in across.bands:
        base = nodes[:, :, band.first, None]
        part = result[:, :, band.start : band.stop]
        part[...] = base
        for offset in range(1, band.span):
            part += band.weights[offset] * (nodes[:, :, band.first + offset, None] - base)
    return result


def _rows(first: FloatArray, steps: FloatArray, weights: FloatArray, out: FloatArray) -> None:
    """Step 2, to some of a band's rows.

    Args:
        first: [S, w], the values at the band's first node.
        steps: [span - 1, S, w], from there to the further ones.
        weights: [span - 1, rows] of those.
        out: [rows, S, w].
    """
    if not len(steps):
        out[...] = first
        return
    for row, place in enumerate(out):
        np.multiply(steps[0], weights[0, row], out=place)
        place += first
        for step, weight in zip(steps[1:], weights[1:, row], strict=True):
            place += step * weight
