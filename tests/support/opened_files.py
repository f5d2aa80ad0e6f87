"""Whether a file is opened, by whomever: by a library in C too, which Python's audit hooks do not see."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_IN_OPEN = 0x20


class Watch:
    """A watched file, on Linux."""

    def __init__(self, path: Path) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(os.O_NONBLOCK)
        if libc.inotify_add_watch(self._descriptor, os.fsencode(path), _IN_OPEN) < 0:
            raise OSError(ctypes.get_errno(), "inotify_add_watch")

    def was_opened(self) -> bool:
        """Whether it was, since the watch began or since this was asked last."""
        try:
            return bool(os.read(self._descriptor, 1 << 16))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._descriptor)


@contextmanager
def watched(path: Path) -> Iterator[Watch]:
    """Watch a file until the block ends."""
    watch = Watch(path)
    try:
        yield watch
    finally:
        watch.close()
