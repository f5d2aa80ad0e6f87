"""How many calls of an engine are computed at once; those beyond wait.

A call that runs holds memory for its activations, which runtimes keep for the next one. So memory is bounded
by this number, however many threads call.
"""

from __future__ import annotations

import os


def calls_at_once() -> int:
    """Of an engine without streams: each call occupies the thread that it came on, so more are not faster."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
