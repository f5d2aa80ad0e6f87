"""How far a measurement is, on standard error."""

from __future__ import annotations

import time
from typing import TextIO

from groupvit_export.benchmark.calls import Clock
from groupvit_export.terminal import ShareLine


class Progress:
    """Says what is measured and how much of it is done; nothing for the first two seconds.

    Args:
        stream: standard error.
        quiet: say nothing.
        clock: seconds, never going back.
    """

    def __init__(self, stream: TextIO, *, quiet: bool, clock: Clock = time.monotonic) -> None:
        self._line = ShareLine(stream, quiet=quiet, clock=clock)
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
        self._line(self._step, self._base + self._part * share, self._clock() - self._start)

    def end(self) -> None:
        """Take the line away."""
        self._line.end()
