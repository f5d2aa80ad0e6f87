"""Milliseconds of sides that take turns call by call in one process, and what stands for them."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from groupvit_export.benchmark.bootstrap import ratio_of_medians
from groupvit_export.metrics.interleaved import interleaved, timed

SETTLE_S: Final = 0.01
"""Pause before every call: worker threads of the side before spin on for a while after their work."""

WARM_UP: Final = 3


@dataclass(frozen=True)
class Timing:
    """Of one side: median, and the 5th and 95th percentile."""

    median: float
    p05: float
    p95: float

    @staticmethod
    def of(values: Sequence[float]) -> Timing:
        p05, median, p95 = np.percentile(values, [5, 50, 95])
        return Timing(round(float(median), 3), round(float(p05), 3), round(float(p95), 3))


@dataclass(frozen=True)
class Clock:
    """Seconds that never go back, and a way to let them pass."""

    now: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep


def milliseconds(
    sides: Mapping[str, Callable[[], object]], rounds: int, warm_up: int = WARM_UP, clock: Clock | None = None
) -> dict[str, list[float]]:
    """Of `rounds` calls of each side, in the order of `interleaved`."""
    clock = clock or Clock()

    def settled(call: Callable[[], float]) -> Callable[[], float]:
        def settle_and_call() -> float:
            clock.sleep(SETTLE_S)
            return call()

        return settle_and_call

    for _ in range(warm_up):
        for call in sides.values():
            call()
    calls = [settled(timed(call, clock.now)) for call in sides.values()]
    return dict(zip(sides, interleaved(calls, lambda done: done < rounds), strict=True))


def ratio(first: Sequence[float], second: Sequence[float]) -> Timing:
    """Distribution of first / second, pair by pair."""
    return Timing.of([a / b for a, b in zip(first, second, strict=True)])


Times = Sequence[float] | Sequence[Sequence[float]]
"""Milliseconds of a side: of one call a round, or of several."""


def rounded_interval(ours: Times, theirs: Times) -> dict[str, float]:
    """Median of theirs over that of ours, with its 95 % interval; above 1, ours is faster."""
    found = ratio_of_medians(_by_round(ours), _by_round(theirs), paired=True)
    return {"ratio": round(found.ratio, 3), "low": round(found.low, 3), "high": round(found.high, 3)}


def _by_round(times: Times) -> NDArray[np.float64]:
    values = np.asarray(times, np.float64)
    return values.reshape(len(values), -1)


def table(times: Mapping[str, Times], bundles: Collection[str]) -> dict[str, dict[str, Any]]:
    """For each side: milliseconds, and its median over that of each of `bundles` that was timed beside it."""
    rows: dict[str, dict[str, Any]] = {}
    for name, values in times.items():
        p05, median, p95 = np.percentile(_by_round(values), [5, 50, 95]).tolist()
        rows[name] = {
            "median_ms": round(median, 2),
            "p05_ms": round(p05, 2),
            "p95_ms": round(p95, 2),
            "over": {
                ours: rounded_interval(times[ours], values)
                for ours in bundles
                if ours in times and ours != name
            },
        }
    return rows
