"""From an image's file, or what Pillow has opened, to uint8 RGB."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import IO, Final

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.BmpImagePlugin import DibImageFile
from PIL.IcoImagePlugin import IcoFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PcxImagePlugin import PcxImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.PpmImagePlugin import PpmImageFile
from PIL.TiffImagePlugin import MAX_SAMPLESPERPIXEL, TiffImageFile

from groupvit_runtime import tiff_directory as tiff
from groupvit_runtime.deep_png import read_png
from groupvit_runtime.deep_tiff import deep_tiff, read_tiff
from groupvit_runtime.errors import ImageError
from groupvit_runtime.header_limits import check_header
from groupvit_runtime.image_formats import open_image
from groupvit_runtime.image_size import SizeLimit, bytes_a_pixel
from groupvit_runtime.jpeg_header import SIGNATURE as JPEG_SIGNATURE
from groupvit_runtime.jpeg_header import read_header
from groupvit_runtime.load_image import load_whole, reserve_tiff
from groupvit_runtime.orientation import orientation, orientation_of, orientation_of_opened
from groupvit_runtime.pcx_palette import check_palette
from groupvit_runtime.pixels import RgbArray, gray_to_rgb, of_images, over_white, to_eight_bits, white_where
from groupvit_runtime.plain_pnm import read_plain
from groupvit_runtime.png_chunks import check_chunks
from groupvit_runtime.tiff_directory import TiffDirectory, read_directory
from groupvit_runtime.tiff_strips import check_strips
from groupvit_runtime.whole_jpeg import read_jpeg

_TURN: Final[Mapping[int, Callable[[RgbArray], RgbArray]]] = MappingProxyType(
    {
        2: lambda stored: stored[:, ::-1],
        3: lambda stored: stored[::-1, ::-1],
        4: lambda stored: stored[::-1],
        5: lambda stored: stored.transpose(1, 0, 2),
        6: lambda stored: stored[::-1].transpose(1, 0, 2),
        7: lambda stored: stored[::-1, ::-1].transpose(1, 0, 2),
        8: lambda stored: stored[:, ::-1].transpose(1, 0, 2),
    }
)
"""By the value of EXIF's orientation (CIPA DC-008, tag 0x0112): views of what is stored."""

_ICON: Final = b"\0\0\1\0"

# By Pillow's raw mode, the largest value of a mode I;16 that does not use its 16 bits.
_MAXIMA: Final = {"I;12": 4095}


def read_file(file: IO[bytes], limit: SizeLimit, name: str) -> RgbArray:
    """Decode a file that can be read from its beginning.

    Args:
        file: opened for reading bytes.
        limit: how large it may be.
        name: of the file, for errors.

    Returns:
        uint8 [H, W, 3] RGB, turned upright.

    Raises:
        ImageError: it is too large, empty, or of a kind that has no meaning as 8-bit color.
        Exception: one of `DECODER_ERRORS`: it is damaged or no image.
    """
    file.seek(0)
    if file.read(len(JPEG_SIGNATURE)) == JPEG_SIGNATURE:
        return _jpeg(file, limit, name)
    directory = read_directory(file, every_tag=True)
    if directory is not None:
        return _tiff(directory, file, limit, name)
    check_chunks(file)
    check_header(file)
    file.seek(0)
    if file.read(len(_ICON)) == _ICON:
        return _icon(file, limit, name)
    image = open_image(file)
    limit.check(image.size, name, bytes_a_pixel(image.format))
    if isinstance(image, PngImageFile):
        pixels = read_png(image, file)
        if pixels is not None:
            return _turned(pixels, orientation_of(image))
    if isinstance(image, PpmImageFile):
        pixels = read_plain(image, file)
        if pixels is not None:
            return pixels
    if isinstance(image, PcxImageFile):
        check_palette(file)
    pixels = _loaded(image, name)
    return _turned(pixels, orientation_of(image))


def read_opened(image: Image.Image, limit: SizeLimit, name: str) -> RgbArray:
    """What the caller has opened, or made of that; see `read_file`."""
    limit.check(image.size, name, bytes_a_pixel(image.format))
    if not isinstance(image, ImageFile):
        return _pixels(image, name)
    lazy = bool(image.tile) and getattr(image, "fp", None) is not None and image.tell() == 0
    # One that was told to decode to another size stays so.
    as_filed = isinstance(image, PngImageFile | TiffImageFile | JpegImageFile) and not image.decoderconfig
    if lazy and as_filed:
        # From the file itself: loading it would take the high bytes, and hide damage.
        return read_file(image.fp, limit, name)  # type: ignore[arg-type]
    pixels = _loaded(image, name)
    return _turned(pixels, orientation_of_opened(image))


def _jpeg(file: IO[bytes], limit: SizeLimit, name: str) -> RgbArray:
    file.seek(0)
    data = file.read()
    header = read_header(data)
    limit.check((header.width, header.height), name, header.bytes_a_pixel)
    pixels = read_jpeg(header, data)
    if pixels is None:
        file.seek(0)
        pixels = _loaded(JpegImageFile(file), name)
    return _turned(pixels, orientation(header.exif, header.xmp))


def _tiff(directory: TiffDirectory, file: IO[bytes], limit: SizeLimit, name: str) -> RgbArray:
    deep = deep_tiff(directory)
    size = (directory.one(tiff.WIDTH, 0), directory.one(tiff.HEIGHT, 0))
    limit.check(size, name, bytes_a_pixel(None) if deep is None else deep.bytes_a_pixel)
    if directory.one(tiff.SAMPLES, 1) > MAX_SAMPLESPERPIXEL:
        raise OSError(f"the TIFF has {directory.one(tiff.SAMPLES, 1):,} samples a pixel")
    check_strips(directory, file)
    if deep is not None:
        return _turned(read_tiff(deep, file), deep.orientation)
    if directory.big and directory.order == ">":
        # Pillow takes it for a classic one, and so another place of the file for its directory.
        raise UnidentifiedImageError(
            "a BigTIFF of samples of 8 bits whose bytes are in big-endian order is not read"
        )
    image = open_image(file)
    limit.check(image.size, name, bytes_a_pixel(image.format))
    if isinstance(image, TiffImageFile):
        reserve_tiff(image)
    # Pillow turns it.
    return _loaded(image, name)


def _loaded(image: ImageFile, name: str) -> RgbArray:
    rawmode = image.tile[0][3] if image.tile else None
    rawmode = rawmode[0] if isinstance(rawmode, tuple) else rawmode
    load_whole(image)
    return _pixels(image, name, _MAXIMA.get(rawmode, 65535) if isinstance(rawmode, str) else 65535)


def _icon(file: IO[bytes], limit: SizeLimit, name: str) -> RgbArray:
    """The largest image of an icon. Pillow's own reader warns where that has not the size of its entry."""
    file.seek(0)
    icon = IcoFile(file)
    entry = icon.entry[0]
    file.seek(entry.offset)
    data = file.read(entry.size)
    if len(data) < entry.size:
        raise OSError("the file ends before the image does")
    if data.startswith(b"\x89PNG"):
        return read_file(io.BytesIO(data), limit, name)
    # Of the rows of its mask, too.
    width, height = DibImageFile(io.BytesIO(data)).size
    limit.check((width, height // 2), name)
    image = icon.frame(0)
    load_whole(image)
    return _pixels(image, name)


def _turned(pixels: RgbArray, orientation: int) -> RgbArray:
    turn = _TURN.get(orientation)
    return pixels if turn is None else turn(pixels)


def _checked(image: Image.Image, name: str) -> None:
    """Refuse samples whose range nobody knows."""
    if image.mode == "F":
        raise ImageError(
            f"{name} holds floating-point pixels",
            got="mode F",
            expected="8- or 16-bit pixels; what a float stands for (0-1, 0-255, metres) is not in the file",
            fix="scale it to 0-255 and save it as an 8-bit image",
        )
    if image.mode != "I":
        return
    low, high = image.getextrema()
    if low < 0 or high > 65535:  # type: ignore[operator]
        raise ImageError(
            f"{name} holds integers beyond 16 bits",
            got=f"values from {low} to {high}",
            expected="0 to 65535",
            fix="scale it to 8 or 16 bits and save it again",
        )


def _pixels(image: Image.Image, name: str, maximum: int = 65535) -> RgbArray:
    image.load()
    _checked(image, name)
    return of_images([image], lambda strips: _strip(strips[0], maximum))


def _strip(image: Image.Image, maximum: int) -> RgbArray:
    mode, key = image.mode, image.info.get("transparency")
    if mode == "I" or mode.startswith("I;"):
        values = np.asarray(image)
        gray = gray_to_rgb(to_eight_bits(values, maximum))
        return white_where(values == key, gray) if isinstance(key, int) else gray
    if mode == "1" and isinstance(key, int):
        bits = np.asarray(image)
        return white_where(bits == bool(key), gray_to_rgb(bits.astype(np.uint8) * 255))
    if mode == "La":
        image = image.convert("LA")
    # `transparency` is how palette, gray and RGB images name a color, or an alpha for each.
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or key is not None:
        return over_white(np.asarray(image.convert("RGBA")))
    return np.asarray(image if mode == "RGB" else image.convert("RGB"))
