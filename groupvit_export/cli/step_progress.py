"""Progress of steps of which some tell how far they are, and others nothing for minutes, as compilers."""

from __future__ import annotations

import threading
import time
from types import TracebackType
from typing import Final, TextIO

from groupvit_export.cli.progress import Clock, ShareProgress

_LOOK_SECONDS: Final = 0.25


class StepProgress:
    """Lines, shares, and how long a step has taken that says nothing of itself.

    Used in a `with` statement: meanwhile a thread looks at the clock.

    Args:
        stream: standard error.
        quiet: say nothing.
        clock: seconds, never going back.
    """

    def __init__(self, stream: TextIO, *, quiet: bool = False, clock: Clock = time.monotonic) -> None:
        self._progress = ShareProgress(stream, quiet=quiet, clock=clock)
        self._quiet = quiet
        self._clock = clock
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._step: tuple[str, float] | None = None
        self._heard = clock()
        self._thread = threading.Thread(target=self._watch, name="groupvit-progress", daemon=True)

    def __enter__(self) -> StepProgress:
        if not self._quiet:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            self._progress.end()

    def __call__(self, what: str, share: float, seconds: float) -> None:
        """`what` goes on, `share` of it (0 to 1) is done after `seconds`; 0 begins a step, 1 ends it."""
        with self._lock:
            self._heard = self._clock()
            if share == 0:
                self._step = (what, self._heard - seconds)
            elif share < 1:
                self._progress(what, share, seconds)
            elif self._step is not None and self._step[0] == what:
                self._step = None

    def note(self, line: str) -> None:
        """Write a line of its own."""
        with self._lock:
            self._progress.note(line)

    def look(self) -> None:
        """Tell how long the step has taken, where nothing else was told for a while."""
        with self._lock:
            now = self._clock()
            if self._step is not None and now - self._heard >= self._progress.interval:
                what, start = self._step
                self._progress.waits(what, now - start)

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_SECONDS):
            self.look()
