"""Whether the machine was left alone while it was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from groupvit_export.benchmark.stages import REST_LIMIT, StageTime, unexplained
from groupvit_export.benchmark.statistics import Summary

LOAD_LIMIT: Final = 0.25
"""Load average for each usable core before the start, above which something else is taken to be running."""

VARIATION_LIMIT: Final = 0.10
"""Coefficient of variation of the calls' own time, above which a measurement is called unsteady."""

DRIFT_LIMIT: Final = 0.10
"""How far from 1 the drift may be."""

P99_CALLS: Final = 100
"""With fewer calls, less than one of them lies beyond the 99th percentile."""


@dataclass(frozen=True)
class Steadiness:
    """Signs of a machine under load, each with its limit.

    Attributes:
        load_before: load average of the minute before the start; None where the system does not tell.
        load_limit: for this machine.
        busy: whether the load was above it.
        variation: coefficient of variation of the calls, without the time that they waited.
        variation_limit: what it may be.
        unsteady: whether it was above.
    """

    load_before: float | None
    load_limit: float
    busy: bool
    variation: float
    variation_limit: float
    unsteady: bool


@dataclass(frozen=True)
class Caution:
    """A reason to doubt a measurement.

    Attributes:
        kind: what for.
        severity: which of two of a kind is the worse; of no unit.
        text: a sentence without its full stop.
    """

    kind: Literal["busy", "unsteady", "drift", "unexplained", "crowded", "few"]
    severity: float
    text: str


def judge(load_before: float | None, usable_cores: int, own: Summary) -> Steadiness:
    """Hold the signs against their limits; `own` is of the calls' time without waiting."""
    limit = LOAD_LIMIT * usable_cores
    return Steadiness(
        load_before=load_before,
        load_limit=limit,
        busy=load_before is not None and load_before > limit,
        variation=own.coefficient_of_variation,
        variation_limit=VARIATION_LIMIT,
        unsteady=own.coefficient_of_variation > VARIATION_LIMIT,
    )


def cautions(
    steadiness: Steadiness,
    stages: Sequence[StageTime],
    *,
    drift: float,
    calls: int,
    workers: int,
    usable_cores: int,
) -> tuple[Caution, ...]:
    """What a reader must know before believing the numbers.

    Args:
        steadiness: load and variation.
        stages: the split.
        drift: last quarter over first.
        calls: how many were measured.
        workers: threads of the engine times streams, as far as they are known.
        usable_cores: of the machine.
    """
    found = []
    if steadiness.busy and steadiness.load_before is not None:
        found.append(
            Caution(
                "busy",
                steadiness.load_before,
                f"the machine was busy before the start: load average {steadiness.load_before:.2f}, "
                f"limit {steadiness.load_limit:.2f}",
            )
        )
    if steadiness.unsteady:
        found.append(
            Caution(
                "unsteady",
                steadiness.variation,
                f"the calls vary by {steadiness.variation:.0%}, limit {steadiness.variation_limit:.0%}: "
                "something else was running, or the clock frequency changed",
            )
        )
    if abs(drift - 1) > DRIFT_LIMIT:
        found.append(
            Caution(
                "drift",
                abs(drift - 1),
                f"it became {'slower' if drift > 1 else 'faster'} while it was measured: "
                f"the last quarter took {drift:.2f} times the first",
            )
        )
    if (rest := abs(unexplained(stages))) > REST_LIMIT:
        found.append(
            Caution("unexplained", rest, f"{rest:.1%} of the time is in no stage, limit {REST_LIMIT:.0%}")
        )
    if workers > usable_cores:
        found.append(Caution("crowded", workers, f"{workers} threads share {usable_cores} usable cores"))
    if calls < P99_CALLS:
        found.append(
            Caution("few", -calls, f"{calls} calls are too few for a p99: it is close to the slowest of them")
        )
    return tuple(found)
