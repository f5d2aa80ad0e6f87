"""Calls that fall due at a fixed rate, whether or not the last one is answered.

A caller that waits for its answer before it asks again leaves out the calls that would have had to wait
(coordinated omission). Here a call's time counts from when it was due.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final

from groupvit_export.benchmark.calls import Call, Caller, Round
from groupvit_export.benchmark.sampling import Progress, warm_up
from groupvit_export.benchmark.settings import SamplingBudget
from groupvit_export.metrics.interleaved import order

LATE_MILLISECONDS: Final = 1.0
"""A call that begins this much after it was due has waited for others; a timer's own delay is below it."""

CALLS_A_ROUND: Final = 10
"""Successive calls share a queue; only groups of them are anything like independent."""

ROUNDS_A_TURN: Final = 5
"""Several bundles: a call of one must not queue behind a call of another, so each has a turn of its own."""

Wait = Callable[[float], object]


@dataclass(frozen=True)
class Late:
    """Of `calls`, how many began more than `milliseconds` after they were due."""

    calls: int
    late: int
    milliseconds: float


def count_late(calls: Sequence[Call]) -> Late:
    """How many calls had to wait."""
    return Late(len(calls), sum(call.waited > LATE_MILLISECONDS for call in calls), LATE_MILLISECONDS)


def sample_paced(
    callers: Sequence[Caller],
    rate: float,
    streams: int,
    effort: SamplingBudget,
    progress: Progress,
    wait: Wait | None = None,
) -> list[tuple[Round, ...]]:
    """Measure the bundles at a fixed rate, in turns of some calls that each begin with nothing queued.

    Args:
        callers: one for each bundle, all with the same clock.
        rate: calls a second.
        streams: threads that take calls from the queue, in the order in which they are due.
        effort: `rounds` counts calls, and is rounded up to whole groups.
        progress: is given the share that is done, between the turns.
        wait: for so many seconds; None for a wait that ends early when a call has failed.

    Returns:
        The rounds of every bundle, each of as many successive calls.

    Raises:
        GroupViTError: of a call.
    """
    calls = effort.rounds
    if effort.seconds is not None:
        calls = max(calls, round(effort.seconds * rate / len(callers)))
    rounds = math.ceil(calls / CALLS_A_ROUND)
    a_turn = rounds if len(callers) == 1 else min(rounds, ROUNDS_A_TURN)
    found: list[list[Round]] = [[] for _ in callers]
    warm_up(callers, streams, effort.warm_up)
    for number in range(math.ceil(rounds / a_turn)):
        size = min(a_turn, rounds - number * a_turn)
        for place, index in enumerate(order(number, len(callers))):
            before = (number * a_turn * len(callers) + place * size) / (rounds * len(callers))
            part = size / (rounds * len(callers))
            found[index] += _turn(
                callers[index],
                rate,
                size * CALLS_A_ROUND,
                streams,
                partial(_advance, progress, before, part),
                wait,
            )
    return [tuple(rounds_of_one) for rounds_of_one in found]


def _advance(progress: Progress, before: float, part: float, share: float) -> None:
    progress(before + part * share)


def _turn(
    caller: Caller, rate: float, calls: int, streams: int, progress: Progress, wait: Wait | None
) -> list[Round]:
    queue = _Queue(caller, rate, calls, progress, wait)
    if streams == 1:
        queue.serve(reports=True)
    else:
        with ThreadPoolExecutor(streams) as pool:
            work = [pool.submit(queue.serve, reports=number == 0) for number in range(streams)]
            try:
                for future in work:
                    future.result()
            finally:
                queue.stop()
    done = queue.done()
    # At least the schedule's own length: the last call's slot is part of the time.
    seconds = max(max(end for _, _, end in done) - queue.start, calls / rate)
    groups = [done[start : start + CALLS_A_ROUND] for start in range(0, calls, CALLS_A_ROUND)]
    return [Round(tuple(call for call, _, _ in group), seconds / len(groups)) for group in groups]


class _Queue:
    """Calls in the order in which they are due; threads that serve it take the next when they are free."""

    def __init__(
        self, caller: Caller, rate: float, calls: int, progress: Progress, wait: Wait | None
    ) -> None:
        self._caller = caller
        self._rate = rate
        self._calls = calls
        self._progress = progress
        self._stopped = threading.Event()
        self._wait: Wait = wait or self._stopped.wait
        self._lock = threading.Lock()
        self._next = 0
        self._done: dict[int, tuple[Call, float, float]] = {}
        self.start = caller.clock()

    def serve(self, *, reports: bool) -> None:
        """Take calls until none is left; one of the threads reports how far it is."""
        try:
            while (number := self._take()) is not None:
                if reports:
                    self._progress(number / self._calls)
                due = self.start + number / self._rate
                while (early := due - self._caller.clock()) > 0:
                    self._wait(early)
                    if self._stopped.is_set():
                        return
                self._done[number] = self._caller(due)
        except BaseException:
            # The others would go on for as long as the schedule is.
            self.stop()
            raise

    def stop(self) -> None:
        """No further call is begun."""
        self._stopped.set()

    def done(self) -> list[tuple[Call, float, float]]:
        """In the order in which they were due."""
        return [self._done[number] for number in range(self._calls)]

    def _take(self) -> int | None:
        with self._lock:
            if self._next == self._calls or self._stopped.is_set():
                return None
            self._next += 1
            return self._next - 1
