"""How far something long is, on standard error: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, Task, TaskID, TextColumn
from rich.text import Text

_TERMINAL_SECONDS: Final = 0.25
_LOG_SECONDS: Final = 10.0
_PATIENCE: Final = 2.0
_RATE_SECONDS: Final = 60.0
_FORESEEABLE: Final = 0.05
_FORESEEABLE_IMAGES: Final = 20
_BAR_WIDTH: Final = 24

Clock = Callable[[], float]


class StatusBar:
    """A bar with words beside it. For one thread at a time.

    It is drawn only when it is told something, at most four times a second: no thread of its own disturbs
    what is being measured. A log gets the words alone, every ten seconds at most.

    Args:
        stream: standard error.
        clock: seconds, never going back.
    """

    def __init__(self, stream: TextIO, clock: Clock = time.monotonic) -> None:
        self._stream = stream
        self._clock = clock
        self._terminal = stream.isatty()
        self._interval = _TERMINAL_SECONDS if self._terminal else _LOG_SECONDS
        self._said = clock()
        self._console = Console(file=stream, highlight=False, markup=False, emoji=False)
        self._bar: Progress | None = None
        self._task = TaskID(0)

    @property
    def draws(self) -> bool:
        """Whether there is a bar, which shows the share that is done."""
        return self._terminal

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

    @property
    def interval(self) -> float:
        """Seconds between two lines, at least."""
        return self._interval

    def show(self, share: float | None, words: str) -> None:
        """`share` (0 to 1) is done, None where nobody knows, and what there is to say of it."""
        if not self._terminal:
            self._stream.write(f"{words}\n")
            self._stream.flush()
            return
        if self._bar is None:
            self._bar = Progress(
                BarColumn(_BAR_WIDTH),
                _Percent("", markup=False),
                TextColumn("{task.description}", markup=False),
                console=self._console,
                auto_refresh=False,
                transient=True,
                # What is redirected meanwhile, as while a graph is captured, would be put back by the bar.
                redirect_stdout=False,
                redirect_stderr=False,
            )
            self._task = self._bar.add_task(words, total=1.0)
            self._bar.start()
        # Rich moves a bar to and fro where there is no total.
        self._bar.tasks[0].total = None if share is None else 1.0
        self._bar.update(self._task, completed=share or 0.0, description=words, refresh=True)

    def note(self, line: str) -> None:
        """Write a line of its own, which stays, above the bar."""
        if self._bar is not None:
            self._console.print(line, soft_wrap=True)
        else:
            self._stream.write(f"{line}\n")
            self._stream.flush()

    def end(self) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


class _Percent(TextColumn):
    """The share that is done, where it is known."""

    def render(self, task: Task) -> Text:
        return Text("" if task.total is None else f"{task.percentage:3.0f} %")


class ShareProgress:
    """How much of something is done, and how long the rest will take; nothing for its first two seconds.

    Args:
        stream: standard error.
        quiet: say nothing.
        clock: seconds, never going back.
    """

    def __init__(self, stream: TextIO, *, quiet: bool = False, clock: Clock = time.monotonic) -> None:
        self._bar = StatusBar(stream, clock)
        self._quiet = quiet

    def __call__(self, what: str, share: float, seconds: float) -> None:
        """`what` goes on, `share` of it (0 to 1) is done after `seconds`."""
        if self._quiet or seconds < _PATIENCE or not self._bar.due():
            return
        # The beginning is no measure of the rest: caches fill, and its pieces are few.
        told = share >= _FORESEEABLE
        left = f", about {duration(seconds / share - seconds)} left" if told else ""
        self._bar.show(share, f"{what}{left}" if self._bar.draws else f"{100 * share:3.0f} % {what}{left}")

    def waits(self, what: str, seconds: float) -> None:
        """`what` has gone on for `seconds`, and nobody knows for how long it will."""
        if not self._quiet and seconds >= _PATIENCE and self._bar.due():
            self._bar.show(None, f"{what}, {duration(seconds)} so far")

    @property
    def interval(self) -> float:
        """Seconds between two lines, at least."""
        return self._bar.interval

    def note(self, line: str) -> None:
        """Write a line of its own; the bar is gone until it is due again."""
        if not self._quiet:
            self._bar.end()
            self._bar.note(line)

    def end(self) -> None:
        """Take the bar away."""
        self._bar.end()


class BenchProgress:
    """What `groupvit bench` measures and how much of it is done.

    Args:
        stream: standard error.
        quiet: say nothing.
        clock: seconds, never going back.
    """

    def __init__(self, stream: TextIO, *, quiet: bool, clock: Clock = time.monotonic) -> None:
        self._progress = ShareProgress(stream, quiet=quiet, clock=clock)
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
        self._progress(self._step, self._base + self._part * share, self._clock() - self._start)

    def end(self) -> None:
        """Take the bar away."""
        self._progress.end()


class EvalProgress:
    """How many images of `groupvit eval` are done, how fast, and how long the rest will take.

    Args:
        stream: standard error.
        quiet: say nothing but what `note` is given.
        clock: seconds, never going back.
    """

    def __init__(self, stream: TextIO, *, quiet: bool = False, clock: Clock = time.monotonic) -> None:
        self._bar = StatusBar(stream, clock)
        self._quiet = quiet
        # Never drawn: it knows the recent rate, and from that the time left.
        self._rate = Progress(disable=True, get_time=clock, speed_estimate_period=_RATE_SECONDS)
        self._task = TaskID(0)
        self._total = 0
        self._before = 0

    def begin(self, done: int, total: int) -> None:
        """`done` of `total` images were finished by earlier runs."""
        self._total, self._before = total, done
        self._bar.restart()
        self._task = self._rate.add_task("", total=total, completed=done)
        # The rate counts from now on: what earlier runs finished is none of its samples.
        self._rate.advance(self._task, 0)
        if 0 < done < total and not self._quiet:
            self.note(f"resuming: {done} of {total} done")

    def update(self, measured: int, failed: int, miou: Callable[[], float | None]) -> None:
        """An image was finished; `miou` is asked for only when a line is due."""
        if self._quiet or not self._bar.due():
            return
        finished = measured + failed
        self._rate.update(self._task, completed=finished)
        self._bar.show(finished / self._total, self._words(finished, failed, miou()))

    def note(self, line: str) -> None:
        """Write a line of its own, which stays."""
        self._bar.note(line)

    def end(self) -> None:
        """Take the bar away."""
        self._bar.end()

    def _words(self, finished: int, failed: int, miou: float | None) -> str:
        speed = self._rate.tasks[0].speed
        parts = [f"{finished} of {self._total}"]
        if speed:
            parts.append(f"{speed:.1f} images/s")
            # The first images are slower: the engine warms up, and files come from the disk.
            if finished - self._before >= min(_FORESEEABLE_IMAGES, _FORESEEABLE * self._total):
                parts.append(f"{duration((self._total - finished) / speed)} left")
        if miou is not None:
            parts.append(f"mIoU {100 * miou:.2f} so far")
        if failed:
            parts.append(f"{failed} failed")
        return ", ".join(parts)


def duration(seconds: float) -> str:
    """Minutes and seconds, `0:07`; hours before them where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
