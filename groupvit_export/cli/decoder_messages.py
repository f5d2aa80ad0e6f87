"""What libtiff finds wrong with the tags of an image that is read all the same: a note."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groupvit_export.cli.output import note
from groupvit_runtime.libtiff_messages import gathered
from groupvit_runtime.read_image import read_image


def read_with_notes(path: Path, *, max_pixels: int | None, quiet: bool) -> NDArray[np.uint8]:
    """As `read_image`.

    Raises:
        ImageError: the image cannot be used.
    """
    with gathered() as said:
        rgb = read_image(path, max_pixels=max_pixels)
    if said and not quiet:
        note(f"groupvit: note: {path} was read, and libtiff said: {'; '.join(said)}")
    return rgb
