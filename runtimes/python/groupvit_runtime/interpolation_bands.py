"""Bilinear interpolation along one axis, as runs of output indices that look at the same nodes.

Between a coarse grid and an image many outputs lie between the same nodes; what is computed of those nodes
is computed once a run.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np

from groupvit_runtime.resize import FloatArray, IndexArray, composed_matrix


@dataclass(frozen=True)
class Band:
    """Output indices ``start .. stop - 1``, which look at the nodes ``first .. first + span - 1``.

    ``weights`` float32 [span, stop - start]; the first node's weight is what the others leave.
    """

    start: int
    stop: int
    first: int
    weights: FloatArray

    @property
    def span(self) -> int:
        return len(self.weights)


@dataclass(frozen=True)
class BandGroup:
    """Bands of one span, as arrays that are as long as the longest of them.

    Attributes:
        span: how many nodes each looks at.
        bands: the bands.
        first: [bands], their first nodes.
        place: [longest, bands], their output indices; the last one is repeated to the full length.
        weights: float32 [span, longest, bands], likewise.
    """

    span: int
    bands: tuple[Band, ...]
    first: IndexArray
    place: IndexArray
    weights: FloatArray


@dataclass(frozen=True)
class Axis:
    """All output indices of an axis, as bands in ascending order."""

    bands: tuple[Band, ...]

    @cached_property
    def span(self) -> int:
        return max(band.span for band in self.bands)

    @cached_property
    def groups(self) -> tuple[BandGroup, ...]:
        """The bands by their span."""
        found = []
        for span in sorted({band.span for band in self.bands}):
            bands = tuple(band for band in self.bands if band.span == span)
            longest = max(band.stop - band.start for band in bands)
            place = [np.minimum(np.arange(band.start, band.start + longest), band.stop - 1) for band in bands]
            weights = [band.weights[:, index - band.start] for band, index in zip(bands, place, strict=True)]
            first = np.array([band.first for band in bands])
            found.append(BandGroup(span, bands, first, np.stack(place, axis=1), np.stack(weights, axis=2)))
        return tuple(found)

    def part(self, start: int, stop: int) -> Axis:
        """The output indices ``start .. stop - 1``, counted from 0."""
        if start == 0 and stop == self.bands[-1].stop:
            return self
        cut = []
        for band in self.bands:
            low, high = max(band.start, start), min(band.stop, stop)
            if low < high:
                weights = band.weights[:, low - band.start : high - band.start]
                cut.append(Band(low - start, high - start, band.first, weights))
        return Axis(tuple(cut))


@lru_cache(maxsize=64)
def interpolation_axis(src: int, middle: int, dst: int) -> Axis:
    matrix = composed_matrix(src, middle, dst)
    used = matrix != 0
    first = used.argmax(axis=1)
    last = src - 1 - used[:, ::-1].argmax(axis=1)
    changes = np.flatnonzero((np.diff(first) != 0) | (np.diff(last) != 0)) + 1
    return Axis(
        tuple(
            Band(start, stop, int(first[start]), matrix[start:stop, first[start] : last[start] + 1].T)
            for start, stop in pairwise([0, *changes.tolist(), dst])
        )
    )
