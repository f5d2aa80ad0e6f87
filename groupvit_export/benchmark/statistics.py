"""Numbers that stand for many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = Sequence[float] | npt.NDArray[np.float64]


@dataclass(frozen=True)
class Summary:
    """Of `count` values, in their unit. Percentiles are NumPy's, interpolated linearly.

    Attributes:
        standard_deviation: of a sample (divided by count - 1); 0 for a single value.
        coefficient_of_variation: the same over the mean.
    """

    count: int
    p50: float
    p90: float
    p95: float
    p99: float
    minimum: float
    mean: float
    standard_deviation: float
    coefficient_of_variation: float


def summarize(values: Floats) -> Summary:
    """The summary of at least one value, all of them positive."""
    array = np.asarray(values, np.float64)
    p50, p90, p95, p99 = np.percentile(array, [50, 90, 95, 99]).tolist()
    mean = float(array.mean())
    deviation = float(array.std(ddof=1)) if array.size > 1 else 0.0
    return Summary(
        count=array.size,
        p50=p50,
        p90=p90,
        p95=p95,
        p99=p99,
        minimum=float(array.min()),
        mean=mean,
        standard_deviation=deviation,
        coefficient_of_variation=deviation / mean,
    )


def drift(values: Floats) -> float:
    """Median of the last quarter over that of the first, in the order measured; above 1 it became slower."""
    array = np.asarray(values, np.float64)
    quarter = max(array.size // 4, 1)
    return float(np.median(array[-quarter:]) / np.median(array[:quarter]))
