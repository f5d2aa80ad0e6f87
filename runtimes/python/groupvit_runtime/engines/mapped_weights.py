"""A file of weights in memory whose pages can be given back to the system."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
from numpy.typing import NDArray


class MappedWeights:
    """A file mapped into memory, for runtimes that copy weights into a layout of their own.

    Such a runtime reads the file while it compiles and hardly again, but what it read stays resident as long
    as the mapping does. `release` gives it back; what is read all the same comes back from the file.

    Args:
        path: not empty; it must not change while this object lives.

    Raises:
        OSError: the file cannot be opened.
        ValueError: it is empty.
    """

    def __init__(self, path: Path) -> None:
        with path.open("rb") as file:
            # Runtimes take writable memory only. It is private: no write could reach the file.
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
        self.array: NDArray[np.uint8] = np.frombuffer(self._map, np.uint8)
        """uint8 [bytes of the file]. To be read only: a write may be lost with the next `release`."""

    def release(self) -> None:
        """Drop the pages that are resident. Does nothing where the system has no such advice."""
        if hasattr(mmap, "MADV_DONTNEED"):
            self._map.madvise(mmap.MADV_DONTNEED)
