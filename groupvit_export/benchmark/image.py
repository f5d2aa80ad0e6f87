"""The image that is segmented, as a file of the size that was asked for."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from groupvit_export.utf8 import utf8_text
from groupvit_runtime.files import write_atomically
from groupvit_runtime.read_image import read_image

DEFAULT_SIZE: Final = (480, 640)
JPEG_QUALITY: Final = 92


@dataclass(frozen=True)
class ImageFacts:
    """What is decoded in every call.

    Attributes:
        name: of the file that was given.
        height, width: in pixels, as segmented.
        format: "JPEG" or "PNG" where it was resized, otherwise what the file is.
        bytes: of the file that is decoded.
        resized: whether it was resized and encoded again.
    """

    name: str
    height: int
    width: int
    format: str
    bytes: int
    resized: bool


def prepare_image(source: Path, size: tuple[int, int] | None, folder: Path) -> tuple[Path, ImageFacts]:
    """A file with the image in the size wanted.

    Args:
        source: the image.
        size: (height, width); None for its own.
        folder: where a resized copy is written, in the format of the original if that is JPEG or PNG.

    Returns:
        The file, and what is known of it.

    Raises:
        ImageError: the image cannot be read.
    """
    rgb = read_image(source)
    with Image.open(source) as opened:
        kind = opened.format or "unknown"
    path, resized = source, False
    if size is not None and rgb.shape[:2] != size:
        kind = kind if kind in ("JPEG", "PNG") else "PNG"
        image = Image.fromarray(rgb).resize((size[1], size[0]), Image.Resampling.BICUBIC)
        data = io.BytesIO()
        if kind == "JPEG":
            image.save(data, "JPEG", quality=JPEG_QUALITY)
        else:
            image.save(data, "PNG")
        path, resized = folder / f"image.{kind.lower()}", True
        write_atomically(path, data.getvalue())
    height, width = size or rgb.shape[:2]
    return path, ImageFacts(utf8_text(source.name), height, width, kind, path.stat().st_size, resized)
