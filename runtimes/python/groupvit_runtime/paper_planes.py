"""The paper's scores at every pixel: not probabilities, but what its threshold is compared with.

Of the planes :func:`groupvit_runtime.paper.paper_decode` takes the largest: scores of windows, averaged and
resized bilinearly to the image (:mod:`groupvit_runtime.resize`: columns, then rows, in float32).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

from groupvit_runtime.paper import PaperAverage
from groupvit_runtime.resize import FloatArray, linear_taps
from groupvit_runtime.score_planes import strips_of

# Pixels that are interpolated at once: a few maps of them stay in a core's own cache.
_BLOCK_PIXELS: Final = 1 << 16


@dataclass(frozen=True, eq=False)
class PaperPlanes:
    """The planes of one image.

    Attributes:
        average: of its windows.
        size: (H, W) of the image.
    """

    average: PaperAverage
    size: tuple[int, int]

    @property
    def count(self) -> int:
        return self.average.count

    def fill(self, first: int, out: FloatArray) -> None:
        out[...] = 0
        for place, channel in enumerate(self.average.channels.tolist()):
            self._resize(place, first, out[channel])

    def fill_plane(self, index: int, first: int, out: FloatArray) -> None:
        place = np.flatnonzero(self.average.channels == index)
        if place.size == 0:
            out[...] = 0
        else:
            self._resize(int(place[0]), first, out)

    def fill_best(self, first: int, out: FloatArray) -> None:
        self._resize(0, first, out)
        other = np.empty_like(out)
        for place in range(1, len(self.average.channels)):
            self._resize(place, first, other)
            np.maximum(out, other, out=out)

    def coarse(self) -> FloatArray:
        result = np.zeros((self.count, *self.average.codes.shape), np.float32)
        for channel, scores in zip(self.average.channels.tolist(), self._scores, strict=True):
            scores.take(self.average.codes, out=result[channel], mode="clip")
        return result

    @cached_property
    def _scores(self) -> FloatArray:
        """[used channels, codes], so that what a plane looks up lies together."""
        return np.ascontiguousarray(self.average.scores.T)

    def _resize(self, place: int, first: int, out: FloatArray) -> None:
        """Rows from ``first`` on of the ``place``-th used channel, into ``out`` [rows, W]."""
        codes = self.average.codes
        top, bottom, down = linear_taps(codes.shape[0], self.size[0])
        left, right, across = linear_taps(codes.shape[1], self.size[1])
        for strip in strips_of(len(out), max(_BLOCK_PIXELS // self.size[1], 1)):
            rows = slice(first + strip.start, first + strip.stop)
            used, place_of = np.unique(np.concatenate([top[rows], bottom[rows]]), return_inverse=True)
            values = self._scores[place].take(codes[used])
            start, columns = values.take(left, axis=1), values.take(right, axis=1)
            columns -= start
            columns *= across
            columns += start
            above, below = columns.take(place_of.reshape(2, -1), axis=0)
            below -= above
            below *= down[rows, None]
            np.add(below, above, out=out[strip])
