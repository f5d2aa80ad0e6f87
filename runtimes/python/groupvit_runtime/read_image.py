"""From a path, a Pillow image or an array to the one form that everything else takes: uint8 RGB."""

from __future__ import annotations

import os
import struct
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from groupvit_runtime.errors import ImageError

RgbArray = npt.NDArray[np.uint8]
ImageSource = str | os.PathLike[str] | Image.Image | npt.NDArray[np.generic]

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".avif"}
)
"""What a file in a folder of images may end in, in lower case."""

MAX_PIXELS = 178_956_970
"""Pillow's own limit for refusing an image as a decompression bomb."""

# Formats whose decoders run inside the process. EPS, for one, would start Ghostscript on the file.
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "MPO", "AVIF", "JPEG2000", "DIB", "ICO")

# What Pillow's decoders raise on damaged files; there is no common base class.
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    EOFError,
    OverflowError,
    MemoryError,
    NotImplementedError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)

_ORIENTATION_TAG = 0x0112
_TRANSPOSE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

_ARRAY_SHAPES = "uint8 or uint16 [H, W, 3] RGB, [H, W, 4] RGBA or [H, W] gray, H and W at least 1"


def list_images(folder: Path) -> list[Path]:
    """The images of a folder by name, those in folders below it left out.

    Raises:
        ImageError: it is no folder, or has none.
    """
    if not folder.is_dir():
        raise ImageError("the folder of images is not there", got=str(folder), expected="a folder")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise ImageError(
            "the folder has no images",
            got=str(folder),
            expected=f"files ending in {' '.join(sorted(IMAGE_SUFFIXES))}",
        )
    return found


def read_image(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> RgbArray:
    """Read an image.

    Images with an EXIF orientation are turned upright. Transparent images are laid over white,
    because the color stored under transparent pixels is arbitrary: ``(c * a + 255 * (255 - a) + 127)
    // 255``. Sixteen-bit values are scaled, not clipped: ``(v + 128) // 257``. Palettes, grays, CMYK,
    YCbCr, LAB and HSV become RGB as Pillow converts them. Of an animation the first frame is read.

    Args:
        source: a path, a Pillow image, or an array: uint8 or uint16 of [H, W, 3] RGB, [H, W, 4] RGBA
            or [H, W] gray.
        max_pixels: larger images are refused, files before they are decoded.

    Returns:
        uint8 [H, W, 3], RGB, C-contiguous. It may share memory with an array that is so already.

    Raises:
        ImageError: nothing at the path, not an image, damaged, too large, empty, or of a kind that has
            no meaning as 8-bit color (floating point, signed integers).
    """
    if isinstance(source, np.ndarray):
        return _from_array(source, max_pixels)
    if isinstance(source, Image.Image):
        _check_size(source.size, max_pixels, "the image")
        return _decode(source, "the image")
    if not isinstance(source, str | os.PathLike):
        raise ImageError(
            "this is not something an image can be read from",
            got=type(source).__name__,
            expected="a path, a PIL.Image.Image, or a NumPy array",
        )
    path = Path(source)
    _check_file(path)
    try:
        # Opened here, because Pillow maps uncompressed files that it opens by name into memory, and then
        # garbles TIFFs whose orientation swaps width and height.
        with path.open("rb") as file, Image.open(file, formats=_formats()) as image:
            _check_size(image.size, max_pixels, str(path))
            return _decode(image, str(path))
    except _DECODER_ERRORS as error:
        raise _unreadable(str(path), error) from error


@cache
def _formats() -> tuple[str, ...]:
    """The accepted formats that this build of Pillow can read."""
    Image.init()
    return tuple(name for name in _FORMATS if name in Image.OPEN)


def _check_file(path: Path) -> None:
    # Looked at beforehand, because Pillow's answer to each of these is about the file's format.
    if path.is_dir():
        found, fix = "a directory", "name one image inside it"
    elif not path.exists():
        found, fix = "nothing", f"check the path (the working directory is {Path.cwd()})"
    elif path.is_file() and path.stat().st_size == 0:
        found, fix = "an empty file", "fetch or write the image again"
    else:
        return
    raise ImageError(f"there is no image at {path}", got=found, expected="an image file", fix=fix)


def _check_size(size: tuple[int, int], max_pixels: int, name: str) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(
            f"{name} has no pixels",
            got=f"{width} x {height}",
            expected="a width and a height of at least 1",
        )
    if width * height > max_pixels:
        raise ImageError(
            f"{name} is too large",
            got=f"{width} x {height} = {width * height:,} pixels",
            expected=f"at most {max_pixels:,} pixels",
            fix="shrink the image, or raise max_pixels if you trust where it comes from",
        )


def _unreadable(name: str, error: BaseException) -> ImageError:
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return ImageError(
            f"{name} is too large",
            got=str(error),
            expected="an image within Pillow's limit",
            fix="shrink the image, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust where it comes from",
        )
    if isinstance(error, PermissionError):
        return ImageError(
            f"{name} may not be read",
            got=error.strerror,
            expected="a file this process may read",
            fix="change its permissions",
        )
    return ImageError(
        f"{name} cannot be read as an image",
        got=f"{type(error).__name__}: {error}",
        expected="a whole file in one of " + ", ".join(_formats()),
        fix="open it in an image viewer; if that fails too it is damaged, otherwise save it as PNG",
    )


def _decode(image: Image.Image, name: str) -> RgbArray:
    if image.mode == "F":
        raise ImageError(
            f"{name} holds floating-point pixels",
            got="mode F",
            expected="8- or 16-bit pixels; what a float stands for (0-1, 0-255, metres) is not in the file",
            fix="scale it to 0-255 and save it as an 8-bit image",
        )
    try:
        image.load()
        orientation = _orientation(image)
        pixels = _pixels(image, name)
    except _DECODER_ERRORS as error:
        raise _unreadable(name, error) from error
    if orientation in _TRANSPOSE:
        pixels = np.asarray(Image.fromarray(pixels).transpose(_TRANSPOSE[orientation]))
    return np.ascontiguousarray(pixels)


def _orientation(image: Image.Image) -> int:
    try:
        return int(image.getexif().get(_ORIENTATION_TAG, 1))
    except _DECODER_ERRORS:
        # Damaged metadata says nothing about the pixels, which are fine.
        return 1


def _pixels(image: Image.Image, name: str) -> RgbArray:
    mode = image.mode
    if mode == "I" or mode.startswith("I;"):
        values = np.asarray(image)
        low, high = int(values.min()), int(values.max())
        if low < 0 or high > 65535:
            raise ImageError(
                f"{name} holds integers beyond 16 bits",
                got=f"values from {low} to {high}",
                expected="0 to 65535",
                fix="scale it to 8 or 16 bits and save it again",
            )
        return _gray_to_rgb(_to_eight_bits(values))
    # `transparency` is how palette, gray and RGB images name a color, or an alpha for each.
    if mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        return _over_white(np.asarray(image.convert("RGBA")))
    return np.asarray(image if mode == "RGB" else image.convert("RGB"))


def _from_array(array: npt.NDArray[np.generic], max_pixels: int) -> RgbArray:
    if array.dtype not in (np.uint8, np.uint16):
        fix = "convert it with (array * 255).round().astype(numpy.uint8) if it holds 0 to 1"
        raise ImageError(
            "only arrays of unsigned 8- or 16-bit pixels have a known range",
            got=f"{array.dtype} {list(array.shape)}",
            expected=f"0-255 or 0-65535: {_ARRAY_SHAPES}",
            fix=fix if array.dtype.kind == "f" else "convert it with .astype(numpy.uint8) if it holds 0-255",
        )
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        channels_first = array.ndim == 3 and array.shape[0] in (3, 4)
        raise ImageError(
            "the array does not have the shape of an image",
            got=f"{array.dtype} {list(array.shape)}",
            expected=_ARRAY_SHAPES,
            fix="move the channels last: array.transpose(1, 2, 0)" if channels_first else None,
        )
    _check_size((array.shape[1], array.shape[0]), max_pixels, "the array")
    pixels = array.astype(np.uint8, copy=False) if array.dtype == np.uint8 else _to_eight_bits(array)
    if pixels.ndim == 2:
        return _gray_to_rgb(pixels)
    if pixels.shape[2] == 4:
        return _over_white(pixels)
    return np.ascontiguousarray(pixels)


def _to_eight_bits(values: npt.NDArray[np.generic]) -> npt.NDArray[np.uint8]:
    """``round(v / 257)`` of 0-65535; 257 is odd, so there is no tie to break."""
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def _gray_to_rgb(gray: npt.NDArray[np.uint8]) -> RgbArray:
    return np.repeat(gray[:, :, None], 3, axis=2)


def _over_white(rgba: npt.NDArray[np.uint8]) -> RgbArray:
    alpha = rgba[:, :, 3:].astype(np.uint16)
    # At most 255 * 255 + 127, which still fits.
    return ((rgba[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)
