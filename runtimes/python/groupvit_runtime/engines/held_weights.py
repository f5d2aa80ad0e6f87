"""Memory for weights that an engine reads as long as it lives."""

from __future__ import annotations

import mmap


def page_aligned(size: int) -> memoryview:
    """Zeros at the start of a page, which belong to this process alone.

    Not a mapping of the file: whoever changes that would change, or end, what is computed with it.
    """
    if hasattr(mmap, "MAP_PRIVATE"):
        return memoryview(mmap.mmap(-1, max(size, 1), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))[:size]
    return memoryview(mmap.mmap(-1, max(size, 1)))[:size]
