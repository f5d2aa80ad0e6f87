"""The steps of an export: announced, and timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str], None]
"""Told a line a step."""

ProgressReport = Callable[[str, float, float], None]
"""Told how far a step is: what goes on, the share done (0 when it begins, 1 at its end), seconds since."""


class Clock:
    """Announces steps and remembers how long each took.

    Args:
        progress: told a line a step; `note` is the same, for other lines.
        report: told when a step begins and ends.
    """

    def __init__(self, progress: Progress, report: ProgressReport) -> None:
        self.note = progress
        self._report = report
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.note(f"{name} ...")
        self._report(name, 0.0, 0.0)
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
        self._report(name, 1.0, self.seconds[name])
        self.note(f"{name}: {self.seconds[name]:.1f} s")
