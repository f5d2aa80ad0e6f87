"""What decoders of images print by themselves, kept off the terminal and put into our own words.

libtiff writes to standard error and takes no other place for a single call; Pillow warns. A library has to
leave both to the program around it; a command is that program.
"""

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groupvit_export.cli.output import note
from groupvit_runtime.errors import ImageError
from groupvit_runtime.read_image import read_image

_STANDARD_ERROR: Final = 2
_SHOWN: Final = 3


def read_quietly(path: Path, *, max_pixels: int | None, quiet: bool) -> NDArray[np.uint8]:
    """As `read_image`. What a decoder has to say is part of the error, or a note where the image was read.

    Raises:
        ImageError: the image cannot be used.
    """
    messages: list[str] = []
    try:
        with _gathered(messages):
            rgb = read_image(path, max_pixels=max_pixels)
    except ImageError as error:
        if not messages:
            raise
        said = f"{error.got}; the decoder said: {'; '.join(messages)}"
        raise ImageError(error.what, got=said, expected=error.expected, fix=error.fix) from error
    if messages and not quiet:
        note(f"groupvit: note: {path} was read, and its decoder said: {'; '.join(messages)}")
    return rgb


@contextmanager
def _gathered(messages: list[str]) -> Iterator[None]:
    sys.stderr.flush()
    try:
        terminal = os.dup(_STANDARD_ERROR)
    except OSError:
        # It is closed: nothing can be written there.
        yield
        return
    with tempfile.TemporaryFile() as file, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        os.dup2(file.fileno(), _STANDARD_ERROR)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(terminal, _STANDARD_ERROR)
            os.close(terminal)
            file.seek(0)
            lines = file.read().decode(errors="replace").splitlines()
            lines += [str(warning.message) for warning in warned]
            messages += list(dict.fromkeys(line.strip() for line in lines if line.strip()))[:_SHOWN]
