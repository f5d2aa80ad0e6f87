"""The line that LiteRT logs once in every process, and for which its Python interface has no switch."""

from __future__ import annotations

import base64
import ctypes
import os
import sys
import threading
from typing import Final

from ai_edge_litert.interpreter import Interpreter

_CLONE_FILES: Final = 0x400
"""Of Linux's unshare: the calling thread gets a table of descriptors of its own.
Source: unshare(2); include/uapi/linux/sched.h."""

_NEGATION: Final = base64.b64decode(
    "GAAAAFRGTDMAAA4AFAAQAAwACAAAAAQADgAAABAAAAAcAAAA0AAAAAMAAAABAAAACAAAAAQABAAEAAAAAQAAABAAAAAMABQAEAAMAAgA"
    "BAAMAAAAEAAAADwAAABAAAAARAAAAAEAAAAQAAAAAAAKAAwAAAAIAAQACgAAAAgAAAAMAAAAAQAAAAEAAAABAAAAAAAAAAEAAAABAAAA"
    "AQAAAAAAAAACAAAAMAAAAAQAAADk////CAAAAAwAAAABAAAAeQAAAAEAAAABAAAADAAMAAgAAAAAAAQADAAAAAgAAAAMAAAAAQAAAHgA"
    "AAABAAAAAQAAAAEAAAAQAAAADAAMAAsAAAAAAAQADAAAADsAAAAAAAA7"
)
"""The smallest model: one float32, negated."""

_ONCE = threading.Lock()
_DONE: Final[set[bool]] = set()


def without_its_first_line() -> None:
    """Have LiteRT log that it made its first XNNPACK delegate where nobody sees it.

    A thread does it whose standard error is nowhere; that of the process, and of every other thread, is not
    touched. Its interpreter has no threads of its own, which would keep the descriptors that they inherit.
    Only on Linux, and not where a sandbox forbids it: elsewhere the line is seen, once.
    """
    with _ONCE:
        if _DONE or not sys.platform.startswith("linux"):
            return
        thread = threading.Thread(target=_log_nowhere, name="groupvit-litert-log")
        thread.start()
        thread.join()
        _DONE.add(True)


def _log_nowhere() -> None:
    if ctypes.CDLL(None).unshare(_CLONE_FILES) != 0:
        return
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    Interpreter(model_content=_NEGATION, num_threads=1).allocate_tensors()
