"""What is varied between measurements, and what stays the same."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from groupvit_export.errors import UsageError
from groupvit_export.plural import counted
from groupvit_runtime.manifest import DecodeName

RuntimeName = Literal["python", "cpp"]

MIN_ROUNDS: Final = 3
"""Fewer have no quarters to compare, and no spread worth the name."""

DEFAULT_ROUNDS: Final = 100
DEFAULT_WARM_UP: Final = 5
DEFAULT_COLD: Final = 5


@dataclass(frozen=True)
class Setting:
    """How the calls of one measurement are made.

    Attributes:
        threads: of the engine; None for its own choice.
        batch: images that one call hands over, and most images or windows that the engine runs at once.
        streams: threads that call at the same time.
        rate: calls a second that fall due whether or not the last one is done; None where every thread
            calls again as soon as it has its answer.
    """

    threads: int | None
    batch: int
    streams: int
    rate: float | None

    @property
    def words(self) -> str:
        """For people: "2 threads, batch 4, 1 stream"."""
        threads = "auto threads" if self.threads is None else counted(self.threads, "thread")
        parts = [threads, f"batch {self.batch}", counted(self.streams, "stream")]
        if self.rate is not None:
            parts.append(f"{self.rate:g} calls/s")
        return ", ".join(parts)


@dataclass(frozen=True)
class SamplingBudget:
    """How long one setting is measured.

    Attributes:
        rounds: of every bundle; with a rate, calls.
        seconds: for all bundles together in place of `rounds`, which then is the least.
        warm_up: rounds of every bundle that are not measured.
        cold: fresh processes of every bundle.
    """

    rounds: int = DEFAULT_ROUNDS
    seconds: float | None = None
    warm_up: int = DEFAULT_WARM_UP
    cold: int = DEFAULT_COLD

    def __post_init__(self) -> None:
        if self.rounds < MIN_ROUNDS:
            raise UsageError(
                "too few rounds to say anything",
                got=self.rounds,
                expected=f"{MIN_ROUNDS} or more; a p99 wants 100",
                fix=f"--rounds {DEFAULT_ROUNDS}",
            )
        if self.seconds is not None and not 0 < self.seconds < float("inf"):
            raise UsageError("the time to measure must be positive", got=self.seconds, fix="--seconds 10")
        for option, value in (("--warm-up", self.warm_up), ("--cold", self.cold)):
            if value < 0:
                raise UsageError(f"{option} is out of range", got=value, expected="0 or more")


@dataclass(frozen=True)
class RunConfig:
    """What is the same for every measurement of a run.

    Attributes:
        device: that was asked for; None for the bundle's usual one.
        decode: that was asked for; None for the bundle's default.
        runtime: that is measured.
        library: path of libgroupvit for the C++ runtime; None for where the loader looks.
    """

    device: str | None
    decode: DecodeName | None
    runtime: RuntimeName = "python"
    library: str | None = None


def sweep(
    threads: Sequence[int | None], batches: Sequence[int], streams: Sequence[int], rate: float | None
) -> tuple[Setting, ...]:
    """Every combination, each once, in the order given.

    Raises:
        UsageError: a number below one, or a rate that is not positive.
    """
    for option, values in (("--threads", threads), ("--batch", batches), ("--streams", streams)):
        for value in values:
            if value is not None and value < 1:
                raise UsageError(f"{option} is out of range", got=value, expected="1 or more")
    if rate is not None and not 0 < rate < float("inf"):
        raise UsageError(
            "a rate is a number of calls a second", got=rate, expected="above 0", fix="--rate 20"
        )
    combinations = itertools.product(threads, batches, streams)
    return tuple(dict.fromkeys(Setting(t, b, s, rate) for t, b, s in combinations))
