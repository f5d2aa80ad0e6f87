"""Interleaved timing: the sides take turns in one process, so that a drift of the machine hits both."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Timing:
    """Milliseconds of one side: median, and the 5th and 95th percentile."""

    median: float
    p05: float
    p95: float

    @staticmethod
    def of(milliseconds: list[float]) -> Timing:
        p05, median, p95 = np.percentile(milliseconds, [5, 50, 95])
        return Timing(round(float(median), 3), round(float(p05), 3), round(float(p95), 3))


def interleaved(
    sides: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = 3
) -> dict[str, list[float]]:
    """Milliseconds of every call, side by side and round by round."""
    for _ in range(warm_up):
        for call in sides.values():
            call()
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, call in sides.items():
            start = time.perf_counter()
            call()
            times[name].append((time.perf_counter() - start) * 1000)
    return times


def ratio(first: list[float], second: list[float]) -> Timing:
    """Distribution of first / second, pair by pair."""
    return Timing.of([a / b for a, b in zip(first, second, strict=True)])
