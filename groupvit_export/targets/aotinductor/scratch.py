"""The folder that Inductor compiles in."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from torch._inductor.utils import clear_caches

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

_CACHE: Final = "TORCHINDUCTOR_CACHE_DIR"
_NAME: Final = "groupvit-inductor"


@contextlib.contextmanager
def scratch_cache() -> Iterator[Path]:
    """A cache that goes with the build: Inductor keeps every engine it ever made, weights included.

    Its path is the same in every build of a user, for it is in the package: in comments, in messages, and by
    these in names of files, which are hashes. One build at a time has it; others wait.
    """
    before = os.environ.get(_CACHE)
    with _locked_folder() as folder:
        os.environ[_CACHE] = str(folder)
        # They remember paths in the cache.
        clear_caches()
        try:
            yield folder
        finally:
            clear_caches()
            if before is None:
                del os.environ[_CACHE]
            else:
                os.environ[_CACHE] = before


@contextlib.contextmanager
def _locked_folder() -> Iterator[Path]:
    """An empty folder of this user's; whatever a build that was killed left there is removed."""
    user = "" if sys.platform == "win32" else f"-{os.getuid()}"
    folder = Path(tempfile.gettempdir()) / f"{_NAME}{user}"
    # Left behind on purpose: who waits for a lock file that is removed holds one that nobody else sees.
    lock = os.open(f"{folder}.lock", os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        # The system lets go of it when the process ends, however that comes about.
        if sys.platform == "win32":
            msvcrt.locking(lock, msvcrt.LK_LOCK, 1)
        else:
            fcntl.flock(lock, fcntl.LOCK_EX)
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)
