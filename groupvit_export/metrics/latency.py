"""Medians of calls that take turns: enough for a table, and no benchmark (`groupvit bench` is one)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Final

from groupvit_export.metrics.interleaved import interleaved, timed

_SECONDS: Final = 4.0
_ROUNDS: Final = (8, 200)
_WARM_UP: Final = 3


def median_latencies(
    calls: Sequence[Callable[[], object]], clock: Callable[[], float] = time.perf_counter
) -> tuple[float, ...]:
    """Milliseconds of every call, the median over rounds in which each is called once.

    Whose turn it is follows `groupvit_export.metrics.interleaved.order`. Rounds go on for four seconds, but
    are at least 8 and at most 200.

    Args:
        calls: what is measured.
        clock: seconds, never going back.
    """
    for _ in range(_WARM_UP):
        for call in calls:
            call()
    least, most = _ROUNDS
    end = clock() + _SECONDS

    def goes_on(rounds: int) -> bool:
        return rounds < least or (rounds < most and clock() <= end)

    return tuple(map(statistics.median, interleaved([timed(call, clock) for call in calls], goes_on)))
