"""Scores of every class at every pixel, a plane a class, by rows, because all at once may be large."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from groupvit_runtime.resize import FloatArray
from groupvit_runtime.upsampled_argmax import LabelMap

# Floats that a strip of rows holds, over all planes, where the caller has no wish.
_STRIP_VALUES = 1 << 22


class ScorePlanes(Protocol):
    """One plane for each of the classes that compete, in float32.

    Attributes:
        count: how many planes there are.
        size: (H, W) of the image.
    """

    @property
    def count(self) -> int: ...

    @property
    def size(self) -> tuple[int, int]: ...

    def fill(self, first: int, out: FloatArray) -> None:
        """All planes of the rows from ``first`` on, into ``out`` [count, rows, W]."""

    def fill_plane(self, index: int, first: int, out: FloatArray) -> None:
        """One plane's rows from ``first`` on, into ``out`` [rows, W]."""

    def fill_best(self, first: int, out: FloatArray) -> None:
        """The largest score at each pixel of the rows from ``first`` on, into ``out`` [rows, W]."""

    def coarse(self) -> FloatArray:
        """[count, h, w], at the resolution at which the decode computes them."""


def rows_at_once(planes: int, width: int) -> int:
    """Rows of a strip that takes 16 MiB, or one row."""
    return max(_STRIP_VALUES // (planes * width), 1)


def strips_of(height: int, rows: int) -> Iterator[slice]:
    """The rows ``0 .. height - 1``, ``rows`` at a time."""
    return (slice(first, min(first + rows, height)) for first in range(0, height, rows))


def abstain(labels: LabelMap, planes: ScorePlanes, *, unlabeled: int, threshold: float | None) -> None:
    """Say ``unlabeled`` where a negative wins or the best score is below the threshold.

    Args:
        labels: uint16 [H, W], the planes' argmax; overwritten. Negatives come after all others, from plane
            ``unlabeled`` on.
        planes: their scores.
        unlabeled: the label to say.
        threshold: compared in float32; None for none.
    """
    np.minimum(labels, np.uint16(unlabeled), out=labels)
    if threshold is None:
        return
    limit = np.float32(threshold)
    height, width = planes.size
    for strip in strips_of(height, rows_at_once(1, width)):
        best = np.empty((strip.stop - strip.start, width), np.float32)
        planes.fill_best(strip.start, best)
        labels[strip][best < limit] = unlabeled
