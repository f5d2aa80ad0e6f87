"""One line about how far an evaluation is."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final, TextIO

from groupvit_export.terminal import StatusLine, duration

_WINDOW_SECONDS: Final = 30.0


class Progress:
    """Says on a stream how many images are done, how fast, and how long it will take.

    For one thread.

    Args:
        stream: standard error.
        quiet: say nothing but what `note` is given.
        clock: seconds, never going back.
    """

    def __init__(
        self, stream: TextIO, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._line = StatusLine(stream, clock)
        self._quiet = quiet
        self._clock = clock
        self._total = 0
        # (time, images finished), oldest first: what the recent speed is taken from.
        self._window: deque[tuple[float, int]] = deque()

    def begin(self, done: int, total: int) -> None:
        """`done` of `total` images were finished by earlier runs."""
        self._total = total
        self._line.restart()
        self._window.append((self._clock(), done))
        if 0 < done < total and not self._quiet:
            self.note(f"resuming: {done} of {total} done")

    def update(self, measured: int, failed: int, miou: Callable[[], float | None]) -> None:
        """An image was finished; `miou` is asked for only when a line is due."""
        if self._quiet or not self._line.due():
            return
        now, finished = self._clock(), measured + failed
        self._window.append((now, finished))
        while self._window[1][0] <= now - _WINDOW_SECONDS:
            self._window.popleft()
        self._line.show(self._text(finished, failed, miou()))

    def note(self, line: str) -> None:
        """Write a line of its own, which stays."""
        self._line.note(line)

    def end(self) -> None:
        """Take the rewritten line away."""
        self._line.end()

    def _text(self, finished: int, failed: int, miou: float | None) -> str:
        (first_time, first), (last_time, last) = self._window[0], self._window[-1]
        speed = (last - first) / (last_time - first_time) if last_time > first_time else 0.0
        parts = [f"{finished} of {self._total}", f"{speed:.1f} images/s"]
        if speed:
            parts.append(f"{duration((self._total - finished) / speed)} left")
        if miou is not None:
            parts.append(f"mIoU {100 * miou:.2f} so far")
        if failed:
            parts.append(f"{failed} failed")
        return ", ".join(parts)
