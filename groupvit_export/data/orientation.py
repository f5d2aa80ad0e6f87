"""How a file says that its image is to be turned, and turning what was stored beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL.ExifTags import Base

from groupvit_export.plural import counted
from groupvit_runtime.decoder_errors import DECODER_ERRORS
from groupvit_runtime.image_formats import open_image

UPRIGHT: Final = 1
"""The orientation of an image that is shown as it is stored."""

_TURN: Final[Mapping[int, Callable[[NDArray[Any]], NDArray[Any]]]] = MappingProxyType(
    {
        2: np.fliplr,
        3: lambda stored: np.rot90(stored, 2),
        4: np.flipud,
        5: np.transpose,
        6: lambda stored: np.rot90(stored, -1),
        7: lambda stored: np.rot90(stored, 2).T,
        8: np.rot90,
    }
)
"""By the value of EXIF's orientation (CIPA DC-008, tag 0x0112)."""


def exif_orientation(path: Path) -> int:
    """Of a file that `groupvit_runtime.read_image` can read: 2 to 8, or `UPRIGHT` where it says nothing."""
    try:
        with path.open("rb") as file:
            found = int(open_image(file).getexif().get(Base.Orientation, UPRIGHT))
    except DECODER_ERRORS:
        # Damaged metadata says nothing about the pixels; `read_image` takes it so, too.
        return UPRIGHT
    return found if found in _TURN else UPRIGHT


def upright(stored: NDArray[Any], orientation: int) -> NDArray[Any]:
    """What is stored, [H, W], as it is shown; C-contiguous."""
    turn = _TURN.get(orientation)
    return np.ascontiguousarray(stored if turn is None else turn(stored))


def stored_size(shown: tuple[int, int], orientation: int) -> tuple[int, int]:
    """The (height, width) in the file of an image that is shown with (height, width)."""
    return (shown[1], shown[0]) if orientation >= 5 else shown


def turned_line(turned: int, images: int) -> str:
    """That some of the images with masks have an orientation, and what is taken to be so of the masks."""
    have = "has" if turned == 1 else "have"
    return (
        f"{turned:,} of {counted(images, 'image')} {have} an EXIF orientation: masks are taken to be "
        "upright, as the image is seen"
    )
