"""What belongs to the process that made it.

A forked child has a copy of every object, but none of the threads behind an engine: running the copy may wait
forever, and so may destroying it. Temporary files are still the parent's.
"""

from __future__ import annotations

import ctypes
import os
import weakref
from collections.abc import Callable
from typing import Any

from groupvit_runtime.errors import EngineError


class OwningProcess:
    """Remembers the process that it was made in."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    def check(self, what: str = "the engine was loaded by the process that this one was forked from") -> None:
        """Refuse to go on in a child.

        Args:
            what: happened, for the message.

        Raises:
            EngineError: this is a process that was forked from the one that made it.
        """
        if os.getpid() != self._pid:
            raise EngineError(
                what,
                got=f"process {os.getpid()}",
                expected=f"process {self._pid}, whose threads are not in a forked child",
                fix="load after the fork, or use spawn: multiprocessing.get_context('spawn')",
            )


def finalize_in_owner(owner: object, release: Callable[..., object], *arguments: Any) -> None:
    """`weakref.finalize` that does nothing in children forked from this process."""
    weakref.finalize(owner, _release_if_owner, os.getpid(), release, arguments)


def keep_in_children(owner: object, item: object) -> None:
    """Never destroy `item`, which `owner` holds, in children forked from this process."""
    weakref.finalize(owner, _keep_unless_owner, os.getpid(), item)


def _release_if_owner(pid: int, release: Callable[..., object], arguments: tuple[Any, ...]) -> None:
    if os.getpid() == pid:
        release(*arguments)


def _keep_unless_owner(pid: int, item: object) -> None:
    if os.getpid() != pid:
        # Nothing in Python outlives the interpreter's end but a reference that nobody gives back.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(item))
