"""Processes that take turns: while one computes, the others sleep."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from benchmarks.peers.host import SideError, Worker
from groupvit_export.metrics.interleaved import interleaved

SETTLE_S: Final = 0.03
"""Rest before a turn: the threads of the side before spin on for a while after their work."""
WARM_UP: Final = 1
"""Calls of a turn that are not measured: the caches are the side's before."""


@dataclass(frozen=True)
class Turns:
    """How often is measured.

    Attributes:
        rounds: turns of every side.
        calls: that are measured in a turn.
    """

    rounds: int
    calls: int


@dataclass
class Taken:
    """What came of it.

    Attributes:
        times: milliseconds by side, [rounds][calls].
        failed: reasons by side; it has no times then.
        spinning: percent of one core that a side took while the others had their turns.
    """

    times: dict[str, list[list[float]]] = field(default_factory=dict)
    failed: dict[str, str] = field(default_factory=dict)
    spinning: dict[str, float] = field(default_factory=dict)


def take_turns(
    workers: Mapping[str, Worker],
    call: str | Mapping[str, str],
    turns: Turns,
    sleep: Callable[[float], None] = time.sleep,
) -> Taken:
    """Measure every side, turn by turn, in the order of `interleaved`; one that fails leaves.

    Args:
        workers: loaded, by side.
        call: what is measured; or that by side, where sides share a worker.
        turns: how often.
        sleep: waits so many seconds.
    """
    taken = Taken()
    idle: dict[str, list[tuple[float, float]]] = {name: [] for name in workers}

    def turn(name: str) -> list[float]:
        if name in taken.failed:
            return []
        sleep(SETTLE_S)
        what = call if isinstance(call, str) else call[name]
        try:
            answer = workers[name].ask("measure", call=what, calls=turns.calls, warm_up=WARM_UP)
        except SideError as error:
            taken.failed[name] = str(error)
            return []
        idle[name].append((answer["idle_cpu_ms"], answer["idle_ms"]))
        times: list[float] = answer["ms"]
        return times

    if not workers:
        return taken
    calls = [partial(turn, name) for name in workers]
    found = interleaved(calls, lambda done: done < turns.rounds)
    for name, times in zip(workers, found, strict=True):
        if name not in taken.failed:
            taken.times[name] = times
            # Before the first turn it loaded, or was measured otherwise.
            cpu, wall = (
                (sum(values) for values in zip(*idle[name][1:], strict=True)) if idle[name][1:] else (0, 1)
            )
            taken.spinning[name] = round(100 * cpu / wall, 1)
    return taken


def load_all(
    workers: Mapping[str, Worker], failed: MutableMapping[str, str], seconds: float
) -> dict[str, Any]:
    """Load one after the other; the answers by side, and the reasons of those that failed in `failed`."""
    loaded = {}
    for name, worker in workers.items():
        try:
            loaded[name] = worker.ask("load", seconds=seconds)
        except SideError as error:
            failed[name] = str(error)
    return loaded
