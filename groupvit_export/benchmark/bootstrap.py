"""Confidence intervals by resampling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 5000
SEED: Final = 20220223

_VALUES_AT_ONCE: Final = 1 << 21


@dataclass(frozen=True)
class Interval:
    """A ratio of medians, and what it lies between with `CONFIDENCE`."""

    ratio: float
    low: float
    high: float


def ratio_of_medians(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    *,
    paired: bool,
    resamples: int = RESAMPLES,
    seed: int = SEED,
) -> Interval:
    """Median of `second` over that of `first`, with a percentile bootstrap over rounds.

    Rounds are drawn with replacement, whole: calls of one round ran side by side or behind each other and
    are not independent. Of pairs the same rounds are drawn on both sides, so that what disturbed both
    cancels.

    Args:
        first, second: [rounds, calls].
        paired: round i of one was measured beside round i of the other; they have as many rounds.
        resamples: how many.
        seed: of NumPy's PCG64.
    """
    random = np.random.default_rng(seed)
    step = max(_VALUES_AT_ONCE // max(first.size, second.size), 1)
    ratios = []
    for start in range(0, resamples, step):
        count = min(step, resamples - start)
        ours = random.integers(len(first), size=(count, len(first)))
        theirs = ours if paired else random.integers(len(second), size=(count, len(second)))
        ratios.append(_medians(second, theirs) / _medians(first, ours))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(np.concatenate(ratios), [tail, 100 - tail]).tolist()
    return Interval(float(np.median(second) / np.median(first)), low, high)


def _medians(values: NDArray[np.float64], rounds: NDArray[np.int64]) -> NDArray[np.float64]:
    medians: NDArray[np.float64] = np.median(values[rounds].reshape(len(rounds), -1), axis=1)
    return medians
