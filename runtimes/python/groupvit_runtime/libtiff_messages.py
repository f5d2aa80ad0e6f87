"""What libtiff says is wrong with a file, instead of on standard error.

libtiff has one handler of errors for the whole process. The one that is put in place here, once, hands on to
the one before whatever is said in a thread that gathers nothing: for the program around this library, and for
its own use of Pillow, nothing changes. Pillow turns libtiff's warnings off by itself.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, Final

from PIL import _imaging

_MOST: Final = 3
_LONGEST: Final = 200

# Of C: module, format, arguments. A `va_list` is passed on as it came, a pointer wherever Pillow has wheels.
_Handler = ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p)


class _Gathering(threading.local):
    messages: list[str] | None = None


_gathering: Final = _Gathering()


@contextmanager
def gathered() -> Iterator[list[str]]:
    """The first few errors of libtiff in this thread meanwhile; a block around this one gets them, too.

    Nothing, where Pillow has libtiff within itself, as on Windows: what it says goes where it always goes.
    """
    _installed()
    around = _gathering.messages
    mine: list[str] = []
    _gathering.messages = mine
    try:
        yield mine
    finally:
        _gathering.messages = around
        for message in mine:
            _keep(around, message)


def _keep(kept: list[str] | None, message: str) -> None:
    if kept is not None and len(kept) < _MOST and message not in kept:
        kept.append(message)


@cache
def _installed() -> object:
    """The handler, which has to live as long as the process; None where there is no way to it."""
    try:
        # Symbols of what a library is linked with are found by way of it.
        set_handler = ctypes.CDLL(_imaging.__file__).TIFFSetErrorHandler
        format_message = ctypes.CDLL(None).vsnprintf
    except (AttributeError, OSError, TypeError):
        return None
    format_message.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_void_p]
    set_handler.restype, set_handler.argtypes = ctypes.c_void_p, [_Handler]
    before: list[Any] = []

    def handle(module: bytes | None, text: int, arguments: int) -> None:
        messages = _gathering.messages
        if messages is not None:
            line = ctypes.create_string_buffer(_LONGEST)
            format_message(line, len(line), text, arguments)
            where = f"{module.decode(errors='replace')}: " if module else ""
            _keep(messages, where + line.value.decode(errors="replace"))
        elif before:
            before[0](module, text, arguments)

    handler = _Handler(handle)
    address = set_handler(handler)
    if address:
        before.append(_Handler(address))
    return handler
