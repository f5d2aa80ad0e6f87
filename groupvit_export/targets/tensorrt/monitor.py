"""How far a TensorRT build is, and stopping it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any

Report = Callable[[str, float, float], None]
"""Phase, share of the whole done so far (0 to 1), seconds since the start."""


class Phases:
    """Turns the nested phases that a builder reports into one share of the whole. For any thread.

    A phase has a number of steps, and is itself one step of its parent; how long a step takes is unknown,
    so the share is of steps, not of time.

    Args:
        report: called when the share has grown.
        clock: seconds, never going back.
    """

    def __init__(self, report: Report, clock: Callable[[], float] = time.monotonic) -> None:
        self._report = report
        self._clock = clock
        self._start = clock()
        self._lock = threading.Lock()
        self._open: dict[str, tuple[str | None, int, int]] = {}
        self._share = 0.0

    def start(self, name: str, parent: str | None, steps: int) -> None:
        """A phase begins."""
        with self._lock:
            self._open[name] = (parent, max(steps, 1), 0)
        self._tell(name)

    def step(self, name: str, done: int) -> None:
        """Step number `done`, from 0, of a phase is over."""
        with self._lock:
            if name in self._open:
                parent, steps, _ = self._open[name]
                self._open[name] = (parent, steps, min(done + 1, steps))
        self._tell(name)

    def finish(self, name: str) -> None:
        """A phase is over."""
        with self._lock:
            self._open.pop(name, None)

    def _tell(self, name: str) -> None:
        with self._lock:
            roots = [phase for phase, (parent, _, _) in self._open.items() if parent not in self._open]
            share = max((self._done(root) for root in roots), default=0.0)
            # A phase may begin behind steps of its parent that were counted already.
            self._share = max(self._share, share)
            share, elapsed = self._share, self._clock() - self._start
        self._report(name, share, elapsed)

    def _done(self, name: str) -> float:
        _, steps, done = self._open[name]
        inner = max(
            (self._done(child) for child, (parent, _, _) in self._open.items() if parent == name), default=0.0
        )
        return min((done + inner) / steps, 1.0)


def make_monitor(trt: Any, phases: Phases, stop: threading.Event) -> Any:
    """An `IProgressMonitor` of the flavor that feeds `phases` and ends the build when `stop` is set."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)

        def phase_start(self, name: str, parent: str | None, steps: int) -> None:
            phases.start(name, parent, steps)

        def step_complete(self, name: str, step: int) -> bool:
            phases.step(name, step)
            return not stop.is_set()

        def phase_finish(self, name: str) -> None:
            phases.finish(name)

    return Monitor()


def run_interruptibly(work: Callable[[], Any], stop: threading.Event) -> Any:
    """Run `work` in a thread; Ctrl-C sets `stop`, waits for it, and is then raised.

    A builder is deep in C++ when the signal comes; raised there it would tear the process down.
    """
    with ThreadPoolExecutor(1, "tensorrt-build") as pool:
        future = pool.submit(work)
        try:
            # In small waits: some platforms deliver no signal to a thread that waits for good.
            while not future.done():
                wait([future], timeout=0.1)
        except KeyboardInterrupt:
            stop.set()
            raise
    return future.result()
