"""One line about how far an evaluation is."""

from __future__ import annotations

import shutil
import time
from collections import deque
from collections.abc import Callable
from typing import Final, TextIO

_TERMINAL_SECONDS: Final = 0.25
_LOG_SECONDS: Final = 10.0
_WINDOW_SECONDS: Final = 30.0
_CLEAR_LINE: Final = "\r\x1b[K"


class Progress:
    """Says on a stream how many pictures are done, how fast, and how long it will take.

    On a terminal one line is rewritten at most four times a second; into a file a line is written every
    ten seconds at most. For one thread.

    Args:
        stream: standard error.
        quiet: say nothing but what `note` is given.
        clock: seconds, never going back.
    """

    def __init__(
        self, stream: TextIO, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stream = stream
        self._quiet = quiet
        self._clock = clock
        self._terminal = stream.isatty()
        self._interval = _TERMINAL_SECONDS if self._terminal else _LOG_SECONDS
        self._total = 0
        self._said = 0.0
        # (time, pictures finished), oldest first: what the recent speed is taken from.
        self._window: deque[tuple[float, int]] = deque()
        self._line = ""

    def begin(self, done: int, total: int) -> None:
        """`done` of `total` pictures were finished by earlier runs."""
        self._total = total
        now = self._said = self._clock()
        self._window.append((now, done))
        if 0 < done < total and not self._quiet:
            self.note(f"resuming: {done} of {total} done")

    def update(self, measured: int, failed: int, miou: Callable[[], float | None]) -> None:
        """A picture was finished; `miou` is asked for only when a line is due."""
        now, finished = self._clock(), measured + failed
        if self._quiet or now - self._said < self._interval:
            return
        self._said = now
        self._window.append((now, finished))
        while self._window[1][0] <= now - _WINDOW_SECONDS:
            self._window.popleft()
        self._show(self._text(finished, failed, miou()))

    def note(self, line: str) -> None:
        """Write a line of its own, which stays."""
        if self._line:
            self._stream.write(_CLEAR_LINE)
        self._stream.write(f"{line}\n{self._line}")
        self._stream.flush()

    def end(self) -> None:
        """Take the rewritten line away."""
        if self._line:
            self._stream.write(_CLEAR_LINE)
            self._stream.flush()
            self._line = ""

    def _text(self, finished: int, failed: int, miou: float | None) -> str:
        (first_time, first), (last_time, last) = self._window[0], self._window[-1]
        speed = (last - first) / (last_time - first_time) if last_time > first_time else 0.0
        parts = [f"{finished} of {self._total}", f"{speed:.1f} pictures/s"]
        if speed:
            parts.append(f"{_duration((self._total - finished) / speed)} left")
        if miou is not None:
            parts.append(f"mIoU {100 * miou:.2f} so far")
        if failed:
            parts.append(f"{failed} failed")
        return ", ".join(parts)

    def _show(self, text: str) -> None:
        if not self._terminal:
            self._stream.write(f"{text}\n")
        else:
            # A line that wraps cannot be rewritten.
            self._line = text[: shutil.get_terminal_size().columns - 1]
            self._stream.write(_CLEAR_LINE + self._line)
        self._stream.flush()


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
