"""Which files are images, and opening one."""

from __future__ import annotations

import struct
from functools import cache
from typing import IO, Final

from PIL import Image, UnidentifiedImageError
from PIL.ImageFile import ImageFile

# Formats that hold colors and whose decoders run inside the process. Left out of what Pillow opens: EPS,
# which starts Ghostscript; IPTC, which opens any format inside it; those that Pillow only names (BUFR, GRIB,
# HDF5, MPEG, WMF); and those of measurements, textures and other rarities. HEIF is there where a plugin
# registered it.
_FORMATS: Final = (
    *("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "MPO", "AVIF", "JPEG2000", "DIB", "ICO", "HEIF"),
    *("PCX", "PSD", "QOI", "SUN", "XBM", "XPM", "TGA"),
)

# Photographs that a camera's owner takes for images, although nothing here may be able to read them.
_HEIF_SUFFIXES: Final = frozenset({".heic", ".heif", ".hif"})
_HEIF_BRANDS: Final = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})

PREFIX_BYTES: Final = 16
"""How much of a file's beginning tells its format."""


@cache
def formats() -> tuple[str, ...]:
    """The accepted formats that this build of Pillow can read."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


@cache
def image_suffixes() -> frozenset[str]:
    """What the name of an image may end in, in lower case: what is registered for the formats, and HEIF's."""
    Image.init()
    return frozenset(suffix for suffix, name in Image.EXTENSION.items() if name in _FORMATS) | _HEIF_SUFFIXES


def begins_like_image(prefix: bytes) -> bool:
    """Whether the first bytes of a file are the signature of an accepted format, or of HEIF."""
    accepts = (Image.OPEN[name][1] for name in formats())
    return is_heif(prefix) or any(accept is not None and accept(prefix) is True for accept in accepts)


def is_heif(prefix: bytes) -> bool:
    """Whether the first bytes of a file are those of an HEIC or HEIF photograph."""
    return prefix[4:8] == b"ftyp" and prefix[8:12] in _HEIF_BRANDS


def open_image(file: IO[bytes]) -> ImageFile:
    """Open as `PIL.Image.open` does, but for its limit of pixels.

    That warns on the terminal and is set for the whole process; here the caller looks at the size before the
    image is decoded.

    Raises:
        UnidentifiedImageError: no accepted format, or a damaged header.
    """
    file.seek(0)
    prefix = file.read(PREFIX_BYTES)
    for name in formats():
        factory, accept = Image.OPEN[name]
        # A string says why this build cannot read what it recognizes.
        if accept is not None and accept(prefix) is not True:
            continue
        file.seek(0)
        try:
            return factory(file, "")
        except (SyntaxError, IndexError, TypeError, struct.error):
            # Another format may have the same signature.
            continue
    raise UnidentifiedImageError("no format recognizes it")
