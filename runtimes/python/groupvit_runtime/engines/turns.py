"""How many calls of an engine are computed at once; those beyond wait.

A call that runs holds memory for its activations, which runtimes keep for the next one. So memory is bounded
by this number, however many threads call.
"""

from __future__ import annotations

from groupvit_runtime.processors import usable_cores


def calls_at_once() -> int:
    """Of an engine without streams: each call occupies the thread that it came on, so more are not faster."""
    return usable_cores()
