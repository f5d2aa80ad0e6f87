"""JPEG files, decoded to their end or not at all.

libjpeg goes on where its data are damaged or end early, and fills with gray what is missing. It counts a
warning, which Pillow has no way to ask for; simplejpeg is the same decoder and gives the warning as an error.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import simplejpeg
from PIL import Image

from groupvit_runtime.jpeg_header import JpegHeader
from groupvit_runtime.pixels import RgbArray, Samples, by_strips

_CMYK: Final = 4
# What simplejpeg refuses and no pixel suffers from: a chroma subsampling that its interface has no name
# for, and oddities of a header. Pillow decodes it.
_HARMLESS: Final = ("subsampling level", "JFIF revision", "Adobe color transform", "Invalid SOS parameters")
_BYTES_LEFT: Final = "extraneous bytes before marker 0xd9"
_END_OF_IMAGE: Final = b"\xff\xd9"


def read_jpeg(header: JpegHeader, data: bytes) -> RgbArray | None:
    """Decode a JPEG, or the first image of an MPO.

    Args:
        header: of the file.
        data: the whole file.

    Returns:
        uint8 [H, W, 3] as it is stored, not turned; None for what simplejpeg does not take, and Pillow does.

    Raises:
        OSError: the file is truncated or damaged.
    """
    try:
        pixels = _decoded(data, "CMYK" if header.components == _CMYK else "RGB")
    except ValueError as error:
        if any(harmless in str(error) for harmless in _HARMLESS):
            return None
        raise OSError(f"the JPEG is damaged: {error}") from error
    if pixels.shape[:2] != (header.height, header.width):
        raise OSError(f"the JPEG has another size inside: {pixels.shape[1]} x {pixels.shape[0]}")
    return _cmyk_to_rgb(pixels) if header.components == _CMYK else pixels


def _decoded(data: bytes, colors: str) -> RgbArray:
    try:
        return simplejpeg.decode_jpeg(data, colors)
    except ValueError as error:
        if _BYTES_LEFT not in str(error):
            raise
    # Cameras fill up with zeros before the end; anything else there is what damage leaves.
    end = data.find(_END_OF_IMAGE, data.find(b"\xff\xda"))
    return simplejpeg.decode_jpeg(data[:end].rstrip(b"\0") + b"\0" + data[end:], colors)


def _cmyk_to_rgb(pixels: RgbArray) -> RgbArray:
    # Adobe's CMYK is inverted, and so is everybody's.
    def converted(strip: Samples) -> RgbArray:
        size = (strip.shape[1], strip.shape[0])
        return np.asarray(Image.frombytes("CMYK", size, strip.tobytes(), "raw", "CMYK;I").convert("RGB"))

    return by_strips(converted, pixels, 3)
