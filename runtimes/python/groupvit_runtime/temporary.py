"""Temporary files and folders that somebody owns: what a dead process left is told from what is in use.

An owner keeps its temporaries locked for as long as they are; whoever makes another beside them first removes
those of this user that nobody has locked. The name tells the system whose locks count: over a network file
system one machine does not see another's.
"""

from __future__ import annotations

import functools
import hashlib
import os
import platform
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from groupvit_runtime.errors import GroupViTError
from groupvit_runtime.locks import is_at, locked, try_lock

PREFIX: Final = ".groupvit-"
"""Not made of the final name, which may be as long as a name can be."""

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_UNLOCKED: Final = -1


def make_file(folder: Path) -> tuple[int, Path]:
    """A new file, open for writing and owned until it is closed; dead ones beside it are removed first.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        _clear_once(folder)
        descriptor, name = tempfile.mkstemp(dir=folder, prefix=_own(PREFIX))
        if _try_own(descriptor, Path(name)):
            return descriptor, Path(name)
        # Another process took it for a dead one's, in the moment before it was locked.
        os.close(descriptor)


def make_folder(folder: Path, prefix: str = PREFIX, suffix: str = "") -> tuple[int, Path]:
    """A new folder, and the descriptor that owns it until it is closed; dead ones are removed first.

    Raises:
        OSError: it cannot be made.
    """
    while True:
        clear_dead(folder, prefix)
        path = Path(tempfile.mkdtemp(suffix, _own(prefix), folder))
        try:
            descriptor = _open_folder(path)
        except OSError:
            # Unowned, it would lie there until the next is made.
            with suppress(OSError):
                path.rmdir()
            raise
        if descriptor is not None and (descriptor == _UNLOCKED or _try_own(descriptor, path)):
            return descriptor, path
        release(descriptor)


def release(descriptor: int | None) -> None:
    """Own it no longer."""
    if descriptor is not None and descriptor != _UNLOCKED:
        os.close(descriptor)


def clear_dead(folder: Path, prefix: str = PREFIX) -> None:
    """Remove what processes that ended left in `folder`; links are not followed, others' files are left."""
    if sys.platform == "win32":
        return
    try:
        entries = [entry for entry in os.scandir(folder) if entry.name.startswith(_own(prefix))]
    except OSError:
        return
    for entry in entries:
        with suppress(OSError):
            found = entry.stat(follow_symlinks=False)
            if found.st_uid != os.geteuid() or not (
                stat.S_ISDIR(found.st_mode) or stat.S_ISREG(found.st_mode)
            ):
                continue
            path = Path(entry.path)
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            try:
                if try_lock(descriptor) and is_at(descriptor, path):
                    shutil.rmtree(path) if stat.S_ISDIR(found.st_mode) else path.unlink()
            finally:
                os.close(descriptor)


def scratch_place() -> Path:
    """The one folder of temporary work, `groupvit-UID` among the system's temporary files; it is made.

    Raises:
        GroupViTError: something else lies there.
        OSError: it cannot be made.
    """
    user = "" if sys.platform == "win32" else f"-{os.geteuid()}"
    place = Path(tempfile.gettempdir()) / f"groupvit{user}"
    with suppress(FileExistsError):
        place.mkdir(mode=0o700)
    try:
        found = place.lstat()
    except FileNotFoundError:
        # Another process removed it, empty for a moment.
        return scratch_place()
    mine = sys.platform == "win32" or (found.st_uid == os.geteuid() and not found.st_mode & 0o022)
    if not stat.S_ISDIR(found.st_mode) or not mine:
        raise GroupViTError(
            "the folder for temporary work is not this user's",
            got=f"{place}: {stat.filemode(found.st_mode)}, user {found.st_uid}",
            expected="a folder of this user's that nobody else may write, or nothing",
            fix="remove it, or TMPDIR=FOLDER before the command",
        )
    return place


def make_scratch(purpose: str) -> tuple[int, Path]:
    """A folder in `scratch_place`, and the descriptor that owns it; see `remove_scratch`.

    Raises:
        GroupViTError: see `scratch_place`.
        OSError: it cannot be made.
    """
    while True:
        place = scratch_place()
        try:
            return make_folder(place, "", f"-{purpose}")
        except FileNotFoundError:
            # Removed once more; where it is not that, it cannot be made.
            continue
        except OSError:
            with suppress(OSError):
                place.rmdir()
            raise


def remove_scratch(descriptor: int, folder: Path) -> None:
    """Remove the folder, and the place where nothing else lies in it.

    What cannot be removed goes with the next run.
    """
    for _ in range(2):
        # Once more, for what was short a moment ago: descriptors, a disk that was away.
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.lexists(folder):
            break
    release(descriptor)
    with suppress(OSError):
        folder.parent.rmdir()


@contextmanager
def scratch_folder(purpose: str) -> Iterator[Path]:
    """A folder for temporary work that goes when the block ends, or with the next one where it was killed.

    Raises:
        GroupViTError: see `scratch_place`.
        OSError: it cannot be made.
    """
    descriptor, folder = make_scratch(purpose)
    try:
        yield folder
    finally:
        remove_scratch(descriptor, folder)


@contextmanager
def scratch_folder_of_one(name: str) -> Iterator[Path]:
    """`scratch_folder` with the same path every time: one process at a time has it, others wait.

    Raises:
        GroupViTError: see `scratch_place`.
        OSError: it cannot be made.
    """
    folder = scratch_place() / name
    with locked(folder.with_suffix(".lock")):
        # Of one that was killed.
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(mode=0o700)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    with suppress(OSError):
        folder.parent.rmdir()


@functools.lru_cache(maxsize=1024)
def _clear_once(folder: Path) -> None:
    """Once a process and folder: many files are written into one, and each would look through all."""
    clear_dead(folder)


def _own(prefix: str) -> str:
    return f"{prefix}{_system()}-"


@functools.cache
def _system() -> str:
    """Of the running kernel, in eight letters; of the machine where it has no name."""
    name = _BOOT.read_text() if _BOOT.is_file() else platform.node()
    return hashlib.sha256(name.encode()).hexdigest()[:8]


def _try_own(descriptor: int, path: Path) -> bool:
    try:
        return try_lock(descriptor) and is_at(descriptor, path)
    except OSError:
        # Without locks nobody can take it for dead.
        return True


def _open_folder(path: Path) -> int | None:
    if sys.platform == "win32":
        return _UNLOCKED
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except FileNotFoundError:
        return None
