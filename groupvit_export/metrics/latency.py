"""Medians of calls that take turns: enough for a table, and no benchmark (`groupvit bench` is one)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from groupvit_export.metrics.interleaved import interleaved, timed

_SECONDS: Final = 4.0
_ROUNDS: Final = (8, 200)
_WARM_UP: Final = 3


@dataclass(frozen=True)
class Latency:
    """A call beside others.

    Attributes:
        milliseconds: the median.
        ratio: to the first of the calls, the median over the rounds.
        spread: half of the range that the middle half of these ratios has.
    """

    milliseconds: float
    ratio: float
    spread: float


def latencies(
    calls: Sequence[Callable[[], object]], clock: Callable[[], float] = time.perf_counter
) -> tuple[Latency, ...]:
    """Latencies of calls over rounds in which each is called once.

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

    turns = interleaved([timed(call, clock) for call in calls], goes_on)
    return tuple(_latency(own, turns[0]) for own in turns)


def _latency(own: Sequence[float], first: Sequence[float]) -> Latency:
    ratios = [one / other for one, other in zip(own, first, strict=True)]
    quarters = statistics.quantiles(ratios, n=4)
    return Latency(statistics.median(own), statistics.median(ratios), (quarters[2] - quarters[0]) / 2)
