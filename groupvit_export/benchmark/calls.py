"""One measured call, and the clock that takes its time apart."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

Clock = Callable[[], float]


@dataclass(frozen=True)
class Call:
    """A call that was measured.

    Attributes:
        milliseconds: from when it was due to when all its images were segmented.
        waited: of those, until it was begun; 0 where calls are not scheduled.
        stages: milliseconds of the runtime's stages.
    """

    milliseconds: float
    waited: float
    stages: Mapping[str, float]


@dataclass(frozen=True)
class Round:
    """Calls that were made in one turn of a bundle: the unit that is interleaved and resampled.

    Attributes:
        calls: of all streams.
        seconds: wall time from the first call's begin to the last one's end.
    """

    calls: tuple[Call, ...]
    seconds: float


class StageClock:
    """An `Observer` of `groupvit_runtime`: adds up the time of every stage, for every thread apart.

    Args:
        clock: seconds, never going back.
    """

    def __init__(self, clock: Clock = time.perf_counter) -> None:
        self._clock = clock
        self._local = threading.local()

    def __call__(self, stage: str) -> AbstractContextManager[None]:
        return self._timed(stage)

    def take(self) -> dict[str, float]:
        """Seconds by stage of this thread since it took them last."""
        taken = self._seconds()
        self._local.seconds = {}
        return taken

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = self._clock()
        yield
        seconds = self._seconds()
        seconds[stage] = seconds.get(stage, 0.0) + self._clock() - start

    def _seconds(self) -> dict[str, float]:
        seconds: dict[str, float] | None = getattr(self._local, "seconds", None)
        if seconds is None:
            seconds = self._local.seconds = {}
        return seconds


class Caller:
    """Makes one call and says what it took. May be used by many threads at once.

    Args:
        call: segments the images of one call.
        stages: the observer of the segmenter that `call` uses.
        clock: seconds, never going back.
    """

    def __init__(
        self, call: Callable[[], object], stages: StageClock, clock: Clock = time.perf_counter
    ) -> None:
        self._call = call
        self._stages = stages
        self.clock = clock

    def __call__(self, due: float | None = None) -> tuple[Call, float, float]:
        """Call once.

        Args:
            due: when the call was to begin, by `clock`; None for now.

        Returns:
            The call, and when it began and ended, by `clock`.
        """
        self._stages.take()
        begin = self.clock()
        # Held, so that giving its memory back is not part of the time.
        result = self._call()
        end = self.clock()
        del result
        stages = {stage: seconds * 1000 for stage, seconds in self._stages.take().items()}
        first = begin if due is None else due
        call = Call(milliseconds=(end - first) * 1000, waited=(begin - first) * 1000, stages=stages)
        return call, begin, end
