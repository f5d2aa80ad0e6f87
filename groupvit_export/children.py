"""Processes that end with the one that started them, however that comes about.

A child's standard input is a pipe that nobody writes to. When the parent has ended the system closes it, and
the child ends at once: it has nothing to clear up, for it works in folders of the parent's.

Run as `python -m groupvit_export.children MODULE ARGUMENT...`, this is the child's side.
"""

from __future__ import annotations

import os
import runpy
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


def child_command(module: str, *arguments: str) -> list[str]:
    """The command that runs `module` as a program, with `lifeline` for its standard input."""
    return [sys.executable, "-m", __name__, module, *arguments]


@contextmanager
def lifeline() -> Iterator[int]:
    """A descriptor for the standard input of children, which end when the block does, or the process."""
    read, write = os.pipe()
    try:
        yield read
    finally:
        os.close(read)
        os.close(write)


def _end_with_parent() -> None:
    os.read(0, 1)
    os._exit(1)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
