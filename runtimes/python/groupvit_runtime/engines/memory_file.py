"""A file's contents in memory, for a library that reads paths faster than bytes."""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from groupvit_runtime.manifest import FileInfo


@contextmanager
def memory_file(info: FileInfo, root: Path) -> Iterator[tuple[bytes | mmap.mmap, str | bytes]]:
    """What was read and compared with its hash, and how a library gets at it: by a path where there is one.

    Nobody else has the path: the file is this process's own, and gone when the block ends.

    Raises:
        BundleError: as `FileInfo.read`.
    """
    descriptor = _make()
    if descriptor is None:
        data = info.read(root)
        yield data, data
        return
    made: list[mmap.mmap] = []

    def allocate(size: int) -> memoryview:
        os.ftruncate(descriptor, max(size, 1))
        made.append(mmap.mmap(descriptor, max(size, 1)))
        return memoryview(made[0])[:size]

    try:
        info.read_into(root, allocate)
        yield made[0], _path(descriptor)
    finally:
        os.close(descriptor)
        # One that is still looked at goes with who looks at it.
        with suppress(BufferError):
            for memory in made:
                memory.close()


def _make() -> int | None:
    """An open file that is in memory only; None where the system has none, or no path to it."""
    if not hasattr(os, "memfd_create"):
        return None
    try:
        descriptor = os.memfd_create("groupvit")
    except OSError:
        # A sandbox may forbid it.
        return None
    if not Path(_path(descriptor)).exists():
        os.close(descriptor)
        return None
    return descriptor


def _path(descriptor: int) -> str:
    return f"/proc/self/fd/{descriptor}"
