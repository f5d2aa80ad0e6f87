"""Calls as fast as they are answered, the bundles taking turns."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from typing import Final

from groupvit_export.benchmark.calls import Call, Caller, Round
from groupvit_export.benchmark.settings import SamplingBudget
from groupvit_export.metrics.interleaved import interleaved

CALLS_IN_A_ROW: Final = 4
"""Of every stream in one round of several: the streams begin together, and most of a round none is alone."""

Progress = Callable[[float], None]

_Timed = tuple[Call, float, float]


def sample(
    callers: Sequence[Caller], streams: int, effort: SamplingBudget, progress: Progress
) -> list[tuple[Round, ...]]:
    """Measure the bundles call by call in turn; with several streams, a few calls of each at once.

    Args:
        callers: one for each bundle, all with the same clock.
        streams: threads that call at the same time.
        effort: rounds or seconds, and the warm-up.
        progress: is given the share that is done, between the rounds.

    Returns:
        The rounds of every bundle; round i of one was measured beside round i of the others.

    Raises:
        GroupViTError: of a call.
    """
    clock = callers[0].clock
    with ExitStack() as stack:
        play = [_player(caller, streams, stack) for caller in callers]
        _warm(play, effort.warm_up)
        start = clock()

        def goes_on(rounds: int) -> bool:
            share = _share(rounds, clock() - start, effort)
            if share < 1:
                progress(share)
            return share < 1

        return [tuple(rounds) for rounds in interleaved(play, goes_on)]


def warm_up(callers: Sequence[Caller], streams: int, rounds: int) -> None:
    """Make calls that do not count, as many at once as later: engines set themselves up for that, too."""
    with ExitStack() as stack:
        _warm([_player(caller, streams, stack) for caller in callers], rounds)


def _warm(play: Sequence[Callable[[], Round]], rounds: int) -> None:
    for _ in range(rounds):
        for turn in play:
            turn()


def _share(rounds: int, seconds: float, effort: SamplingBudget) -> float:
    by_rounds = rounds / effort.rounds
    return by_rounds if effort.seconds is None else min(by_rounds, seconds / effort.seconds)


def _player(caller: Caller, streams: int, stack: ExitStack) -> Callable[[], Round]:
    if streams == 1:
        return partial(_alone, caller)
    pool = stack.enter_context(ThreadPoolExecutor(streams))
    return partial(_together, caller, pool, streams)


def _alone(caller: Caller) -> Round:
    call, begin, end = caller()
    return Round((call,), end - begin)


def _together(caller: Caller, pool: ThreadPoolExecutor, streams: int) -> Round:
    gate = threading.Barrier(streams)
    work = [pool.submit(_in_a_row, caller, gate) for _ in range(streams)]
    timed = [item for future in work for item in future.result()]
    return Round(
        tuple(call for call, _, _ in timed), max(end for _, _, end in timed) - min(b for _, b, _ in timed)
    )


def _in_a_row(caller: Caller, gate: threading.Barrier) -> list[_Timed]:
    gate.wait()
    return [caller() for _ in range(CALLS_IN_A_ROW)]
