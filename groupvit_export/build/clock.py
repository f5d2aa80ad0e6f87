"""The steps of an export: announced, and timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Progress = Callable[[str], None]
"""Told a line a step."""

ProgressReport = Callable[[str, float, float], None]
"""Told how far a long step is: what goes on, the share done, seconds since it began."""


class Clock:
    """Announces steps and remembers how long each took.

    Args:
        progress: told a line a step; `note` is the same, for other lines.
    """

    def __init__(self, progress: Progress) -> None:
        self.note = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self.note(f"{name} ...")
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
        self.note(f"{name}: {self.seconds[name]:.1f} s")
