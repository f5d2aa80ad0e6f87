"""How far a measurement is, on standard error."""

from __future__ import annotations

import time
from typing import Final, TextIO

from groupvit_export.benching.calls import Clock
from groupvit_export.terminal import StatusLine, duration

_PATIENCE: Final = 2.0


class Progress:
    """Says what is measured and how much of it is done; nothing for the first two seconds.

    Args:
        stream: standard error.
        quiet: say nothing.
        clock: seconds, never going back.
    """

    def __init__(self, stream: TextIO, *, quiet: bool, clock: Clock = time.monotonic) -> None:
        self._line = StatusLine(stream, clock)
        self._quiet = quiet
        self._clock = clock
        self._start = clock()
        self._step = ""
        self._base = 0.0
        self._part = 0.0

    def begin(self, step: str, base: float, part: float) -> None:
        """Step `step` begins, `base` of everything is done, and it is `part` of everything."""
        self._step, self._base, self._part = step, base, part
        self(0.0)

    def __call__(self, share: float) -> None:
        """`share` of the step is done, 0 to 1."""
        seconds = self._clock() - self._start
        if self._quiet or seconds < _PATIENCE or not self._line.due():
            return
        whole = self._base + self._part * share
        left = f", about {duration(seconds / whole - seconds)} left" if whole > 0 else ""
        self._line.show(f"{100 * whole:3.0f} % {self._step}{left}")

    def end(self) -> None:
        """Take the line away."""
        self._line.end()
