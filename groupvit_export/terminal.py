"""A line that is rewritten on a terminal, and written now and then into a file."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import Final, TextIO

_TERMINAL_SECONDS: Final = 0.25
_LOG_SECONDS: Final = 10.0
_PATIENCE: Final = 2.0
_BAR_WIDTH: Final = 24
_CLEAR_LINE: Final = "\r\x1b[K"


class StatusLine:
    """The last line of a stream, about something that goes on. For one thread at a time.

    On a terminal one line is rewritten at most four times a second; into a file a line is written every
    ten seconds at most.

    Args:
        stream: standard error.
        clock: seconds, never going back.
    """

    def __init__(self, stream: TextIO, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._terminal = stream.isatty()
        self._interval = _TERMINAL_SECONDS if self._terminal else _LOG_SECONDS
        self._said = clock()
        self._line = ""

    def restart(self) -> None:
        """Count the time until the next line from now on."""
        self._said = self._clock()

    def due(self) -> bool:
        """Whether it is time for another line; asking counts as saying it."""
        now = self._clock()
        if now - self._said < self._interval:
            return False
        self._said = now
        return True

    def show(self, text: str) -> None:
        """Replace the line."""
        if not self._terminal:
            self._stream.write(f"{text}\n")
        else:
            # A line that wraps cannot be rewritten.
            self._line = text[: shutil.get_terminal_size().columns - 1]
            self._stream.write(_CLEAR_LINE + self._line)
        self._stream.flush()

    def note(self, line: str) -> None:
        """Write a line of its own, which stays, above this one."""
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


class ShareLine:
    """How much of something long is done: nothing for the first two seconds, then a line as of `StatusLine`.

    Args:
        stream: standard error.
        quiet: say nothing.
        clock: seconds, never going back.
    """

    def __init__(
        self, stream: TextIO, *, quiet: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._line = StatusLine(stream, clock)
        self._quiet = quiet

    def __call__(self, what: str, share: float, seconds: float) -> None:
        """`what` goes on, `share` of it (0 to 1) is done after `seconds`."""
        if self._quiet or seconds < _PATIENCE or not self._line.due():
            return
        filled = round(share * _BAR_WIDTH)
        left = f", about {duration(seconds / share - seconds)} left" if share > 0 else ""
        self._line.show(f"[{'#' * filled}{'.' * (_BAR_WIDTH - filled)}] {100 * share:3.0f} % {what}{left}")

    def note(self, line: str) -> None:
        """Write a line of its own; this one is gone until it is due again."""
        if not self._quiet:
            self._line.end()
            self._line.note(line)

    def end(self) -> None:
        """Take the line away."""
        self._line.end()


def duration(seconds: float) -> str:
    """Minutes and seconds, `0:07`; hours before them where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
