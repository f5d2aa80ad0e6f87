"""Requests of several callers in one engine call."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Generic, TypeVar

Request = TypeVar("Request")
Result = TypeVar("Result")


@dataclass(frozen=True, eq=False)
class _Waiting(Generic[Request, Result]):
    request: Request
    future: Future[Result]
    until: float


class Batcher(Generic[Request, Result]):
    """Threads that compute what waits, together where several do.

    A batch is as many as wait, up to `size`, as soon as a thread is free; with `wait`, the first of them is
    given so many seconds to be joined by others.

    Args:
        compute: results of a batch, in its order; an exception is that of every request in it.
        size: most requests of a batch.
        wait: seconds.
        workers: threads.
    """

    def __init__(
        self,
        compute: Callable[[Sequence[Request]], Sequence[Result]],
        *,
        size: int,
        wait: float,
        workers: int,
    ) -> None:
        self._compute, self._size, self._wait = compute, size, wait
        self._waiting: deque[_Waiting[Request, Result]] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"groupvit-batch-{number}", daemon=True)
            for number in range(workers)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, request: Request) -> Future[Result]:
        """Have a request computed; a future that is cancelled before its turn is left out.

        Raises:
            RuntimeError: the batcher was closed.
        """
        future: Future[Result] = Future()
        with self._changed:
            if self._closed:
                raise RuntimeError("the batcher was closed")
            self._waiting.append(_Waiting(request, future, time.monotonic() + self._wait))
            self._changed.notify()
        return future

    def close(self) -> None:
        """Take nothing more, and finish what waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while batch := self._next():
            try:
                results = self._compute([one.request for one in batch])
            # Whatever it is, it is told to whoever waits, and the thread goes on.
            except BaseException as error:  # noqa: BLE001
                for one in batch:
                    one.future.set_exception(error)
            else:
                for one, result in zip(batch, results, strict=True):
                    one.future.set_result(result)
            # A thread that waits keeps no image.
            del batch

    def _next(self) -> list[_Waiting[Request, Result]]:
        """The next batch; empty where there will be none."""
        with self._changed:
            while True:
                while not self._waiting and not self._closed:
                    self._changed.wait()
                if not self._waiting:
                    return []
                self._gather(self._waiting[0].until)
                count = min(self._size, len(self._waiting))
                taken = [self._waiting.popleft() for _ in range(count)]
                batch = [one for one in taken if one.future.set_running_or_notify_cancel()]
                if batch:
                    return batch

    def _gather(self, until: float) -> None:
        while 0 < len(self._waiting) < self._size and not self._closed:
            left = until - time.monotonic()
            if left <= 0:
                return
            self._changed.wait(left)
