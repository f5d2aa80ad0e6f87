"""How a file says that its image is to be turned."""

from __future__ import annotations

import io
import re
from typing import Any, Final

from PIL import UnidentifiedImageError
from PIL.ImageFile import ImageFile

from groupvit_runtime import tiff_directory as tiff
from groupvit_runtime.decoder_errors import DECODER_ERRORS
from groupvit_runtime.tiff_directory import read_directory

UPRIGHT: Final = 1
_EXIF: Final = b"Exif\0\0"
_IN_XMP: Final = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
# Of texts in a PNG, as ImageMagick writes EXIF: hexadecimal after three lines.
_PROFILE, _PROFILE_LINES = "Raw profile type exif", 3


def orientation_of(image: ImageFile) -> int:
    """As a file says, loaded or not, in EXIF or else in XMP: 1 to 8, `UPRIGHT` where it says nothing.

    Pillow's reader of EXIF warns on the terminal of what is damaged and is not asked for.
    """
    info: dict[Any, Any] = image.info
    exif = info.get("exif")
    if exif is None and isinstance(info.get(_PROFILE), str):
        try:
            exif = bytes.fromhex("".join(info[_PROFILE].split("\n")[_PROFILE_LINES:]))
        except ValueError:
            exif = None
    xmp = info.get("XML:com.adobe.xmp") or info.get("xmp") or b""
    return orientation(exif or b"", xmp.encode() if isinstance(xmp, str) else xmp)


def orientation_of_opened(image: ImageFile) -> int:
    """As Pillow has it now: nothing where the caller has turned the image in place."""
    try:
        return int(image.getexif().get(tiff.ORIENTATION, UPRIGHT))
    except DECODER_ERRORS:
        return UPRIGHT


def orientation(exif: bytes, xmp: bytes = b"") -> int:
    """Of the two kinds of metadata; what is damaged says nothing about the pixels, which are fine."""
    while exif.startswith(_EXIF):
        exif = exif[len(_EXIF) :]
    try:
        directory = read_directory(io.BytesIO(exif))
    except UnidentifiedImageError:
        directory = None
    if directory is not None and tiff.ORIENTATION in directory.tags:
        return directory.one(tiff.ORIENTATION, UPRIGHT)
    found = _IN_XMP.search(xmp)
    return UPRIGHT if found is None else int(found[1])
