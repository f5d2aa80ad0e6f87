"""Locks between processes. They are the system's own: it lets go of them however a process ends."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

# Where no file has a byte: what is locked on Windows cannot be read.
_BYTE: Final = 0x7FFF_FFFE
_SECONDS: Final = 0.05


def try_lock(descriptor: int) -> bool:
    """Lock an open file, or on POSIX an open folder; closing the descriptor unlocks it.

    Returns:
        Whether it is locked now; False where another open descriptor has locked it.

    Raises:
        OSError: its file system has no locks.
    """
    try:
        if sys.platform == "win32":
            before = os.lseek(descriptor, 0, os.SEEK_CUR)
            os.lseek(descriptor, _BYTE, os.SEEK_SET)
            try:
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            finally:
                os.lseek(descriptor, before, os.SEEK_SET)
        else:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


@contextmanager
def locked(path: Path) -> Iterator[bool]:
    """Wait for the lock file `path` and hold it; it is made where it is missing, and goes afterwards.

    Gives whether it is held: False where the file system has no locks, and nobody is kept out.

    Raises:
        OSError: the file cannot be made.
    """
    descriptor, held = _acquire(path)
    try:
        yield held
    finally:
        # Before it is unlocked: who waits for it finds that it is gone, and makes another. Not another's,
        # which lies here where the folder was exchanged meanwhile; on Windows no open file can be removed.
        if sys.platform != "win32" and is_at(descriptor, path):
            with suppress(OSError):
                path.unlink()
        os.close(descriptor)


def is_at(descriptor: int, path: Path) -> bool:
    """Whether `path` still names what was opened."""
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _acquire(path: Path) -> tuple[int, bool]:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o666)
        try:
            try:
                while not try_lock(descriptor):
                    time.sleep(_SECONDS)
                held = True
            except OSError:
                held = False
            # Who had it before may have removed it.
            if is_at(descriptor, path):
                return descriptor, held
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
