"""Call by call in turn, in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from benchmarks.peers.sides import BUNDLES
from groupvit_export.benchmark.bootstrap import ratio_of_medians
from groupvit_export.metrics.turns import order

SETTLE_S: Final = 0.01
"""Pause before every call: worker threads of the side before spin on for a while after their work."""

WARM_UP: Final = 3


@dataclass(frozen=True)
class Clock:
    """Seconds that never go back, and a way to let them pass."""

    now: Callable[[], float] = time.perf_counter
    sleep: Callable[[float], None] = time.sleep


def interleaved(
    calls: Mapping[str, Callable[[], object]], rounds: int, clock: Clock | None = None
) -> dict[str, list[float]]:
    """Milliseconds of `rounds` calls of each side; the order of every round is `order`'s.

    Args:
        calls: by side.
        rounds: at least 1.
        clock: the real one, unless a test has another.
    """
    clock = clock or Clock()
    names = list(calls)
    for _ in range(WARM_UP):
        for call in calls.values():
            call()
    times: dict[str, list[float]] = {name: [] for name in names}
    for number in range(rounds):
        for index in order(number, len(names)):
            clock.sleep(SETTLE_S)
            begin = clock.now()
            # Held, so that giving its memory back is not part of the time.
            result = calls[names[index]]()
            times[names[index]].append((clock.now() - begin) * 1000)
            del result
    return times


def table(times: Mapping[str, Sequence[float]]) -> dict[str, dict[str, Any]]:
    """For each side: milliseconds, and its median over that of each bundle that was timed beside it."""
    arrays = {name: np.asarray(values, np.float64)[:, None] for name, values in times.items()}
    rows: dict[str, dict[str, Any]] = {}
    for name, values in arrays.items():
        p05, median, p95 = np.percentile(values, [5, 50, 95]).tolist()
        row: dict[str, Any] = {
            "median_ms": round(median, 2),
            "p05_ms": round(p05, 2),
            "p95_ms": round(p95, 2),
        }
        row["over"] = {
            ours: rounded_interval(arrays[ours], values)
            for ours in BUNDLES
            if ours in arrays and ours != name
        }
        rows[name] = row
    return rows


def rounded_interval(ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """Median of theirs over that of ours, with its 95 % interval; above 1, ours is faster."""
    found = ratio_of_medians(ours, theirs, paired=True)
    return {"ratio": round(found.ratio, 3), "low": round(found.low, 3), "high": round(found.high, 3)}
