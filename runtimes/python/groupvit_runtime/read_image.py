"""From a file, a Pillow image or an array to the one form that everything else takes: uint8 RGB."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from PIL.ImageFile import ImageFile

from groupvit_runtime.decoder_errors import DECODER_ERRORS
from groupvit_runtime.errors import ImageError, ImageSizeError
from groupvit_runtime.image_arrays import check_array, rgb_of_array
from groupvit_runtime.image_file import read_file, read_opened
from groupvit_runtime.image_formats import PREFIX_BYTES, formats, is_heif
from groupvit_runtime.image_size import MAX_PIXELS, SizeLimit, check_limit
from groupvit_runtime.pixels import RgbArray

ImageSource = (
    str
    | os.PathLike[str]
    | bytes
    | bytearray
    | memoryview
    | IO[bytes]
    | Image.Image
    | npt.NDArray[np.generic]
)


def read_image(source: ImageSource, *, max_pixels: int | None = None) -> RgbArray:
    """Read an image.

    Files, and images as `PIL.Image.open` gave them, are turned upright by their EXIF orientation. An image
    that the caller made of an opened one (``copy``, ``crop``, ``resize``, ``transpose``, ``convert``) is
    taken as it stands, though Pillow keeps the orientation in it: the result has the height and width that
    the caller sees.

    Transparent images are laid over white, because the color stored under transparent pixels is arbitrary:
    ``(c * a + 255 * (255 - a) + 127) // 255``. Sixteen-bit values are scaled, not clipped, before that:
    ``(v + 128) // 257``; exactly in PNG, TIFF and PPM files of any color and order of bytes, while JPEG 2000
    and AVIF are rounded by their decoders. (An opened image that the caller loaded has the high bytes only.)
    Palettes, grays, CMYK, YCbCr, LAB and HSV become RGB as Pillow converts them. Of an animation the first
    frame is read. A truncated or damaged file is refused whatever ``PIL.ImageFile.LOAD_TRUNCATED_IMAGES``
    says.

    Args:
        source: a path; a file's contents as bytes; a file opened for reading bytes, which is read from its
            beginning and left open; a Pillow image; or an array: uint8 or uint16 of [H, W, 3] RGB, [H, W, 4]
            RGBA or [H, W] gray.
        max_pixels: larger images are refused, files before they are decoded. None for `MAX_PIXELS`, for twice
            ``PIL.Image.MAX_IMAGE_PIXELS``, or for what can be read with 2 GiB of memory, whichever is least.

    Returns:
        uint8 [H, W, 3], RGB, C-contiguous. It may share memory with an array that is so already.

    Raises:
        ImageError: nothing at the path, not an image, damaged, too large, empty, or of a kind that has
            no meaning as 8-bit color (floating point, signed integers).
        UsageError: a limit below one pixel.
    """
    check_limit(max_pixels)
    # Pillow's limit may be None, for none, which is not asked for here.
    usual = min(MAX_PIXELS, 2 * (Image.MAX_IMAGE_PIXELS or MAX_PIXELS))
    limit = SizeLimit(usual) if max_pixels is None else SizeLimit(max_pixels, asked=True)
    if isinstance(source, np.ndarray):
        check_array(source)
        limit.check((source.shape[1], source.shape[0]), "the array")
        return rgb_of_array(source)
    if isinstance(source, Image.Image):
        # Of what is loaded nothing is left to read; the file of the rest must be open.
        if isinstance(source, ImageFile) and source.tile and source.fp is None:
            raise _closed("the image")
        return _guarded(source, limit, "the image")
    if isinstance(source, str | os.PathLike):
        path = Path(os.fsdecode(source))
        _check_file(path)
        try:
            # Opened here, because Pillow maps uncompressed files that it opens by name into memory, and then
            # garbles TIFFs whose orientation swaps width and height.
            with path.open("rb") as file:
                return _guarded(_seekable(file), limit, str(path))
        except OSError as error:
            raise _unreadable(str(path), error, None) from error
    return _guarded(_binary_file(source), limit, f"the image of {type(source).__name__}")


def _guarded(source: IO[bytes] | Image.Image, limit: SizeLimit, name: str) -> RgbArray:
    try:
        if isinstance(source, Image.Image):
            return np.ascontiguousarray(read_opened(source, limit, name))
        return np.ascontiguousarray(read_file(source, limit, name))
    except MemoryError as error:
        raise ImageError(
            f"{name} does not fit into the memory",
            got=f"no memory left to decode it ({limit.pixels:,} pixels are allowed)",
            expected="memory for several times 3 bytes a pixel",
            fix="shrink the image, or refuse it before it is decoded: a lower max_pixels (--max-pixels)",
        ) from error
    except DECODER_ERRORS as error:
        raise _unreadable(name, error, None if isinstance(source, Image.Image) else source) from error


def _binary_file(source: object) -> IO[bytes]:
    if isinstance(source, bytes | bytearray) or (
        isinstance(source, memoryview) and source.ndim == 1 and source.itemsize == 1
    ):
        if not len(source):
            raise ImageError(
                "there is no image in the bytes", got="0 bytes", expected="the contents of an image file"
            )
        return io.BytesIO(bytes(source))
    if getattr(source, "closed", False) is True:
        raise _closed(f"the {type(source).__name__}")
    read = getattr(source, "read", None)
    if isinstance(source, io.TextIOBase):
        fix = 'open it for reading bytes: open(path, "rb")'
    elif callable(read) and _gives_bytes(source):
        return _seekable(source)  # type: ignore[arg-type]
    elif callable(read):
        fix = "give a file that is opened for reading bytes, or the bytes"
    elif (
        isinstance(source, memoryview)
        or hasattr(source, "__array__")
        or hasattr(source, "__array_interface__")
    ):
        fix = "numpy.asarray(it), and for channels first .transpose(1, 2, 0)"
    elif isinstance(source, list | tuple):
        fix = "give its images one by one, or the pixels as numpy.array(it, numpy.uint8)"
    else:
        fix = "give its path, its bytes, or its pixels as numpy.asarray(it)"
    raise ImageError(
        "this is not something an image can be read from",
        got=type(source).__name__,
        expected="a path, bytes, a file opened for reading bytes, a PIL.Image.Image, or a NumPy array",
        fix=fix,
    )


def _gives_bytes(file: Any) -> bool:
    try:
        return isinstance(file.read(0), bytes)
    except io.UnsupportedOperation:
        return False
    except TypeError:
        # It reads all or nothing.
        return True


def _closed(name: str) -> ImageError:
    return ImageError(
        f"{name} was closed before it was read",
        got="a closed file",
        expected="an open one, or an image whose pixels were loaded",
        fix="read it inside its `with` statement, or give its path",
    )


def _seekable(file: IO[bytes]) -> IO[bytes]:
    """The file, or its rest in memory where it is a pipe or the like."""
    seekable = getattr(file, "seekable", None)
    if seekable() if callable(seekable) else hasattr(file, "seek"):
        return file
    return io.BytesIO(file.read())


def _check_file(path: Path) -> None:
    # Looked at beforehand, because Pillow's answer to each of these is about the file's format.
    try:
        if path.is_dir():
            found, fix = "a directory", "name one image inside it"
        elif not path.exists():
            found, fix = "nothing", f"check the path (the working directory is {Path.cwd()})"
        elif path.is_file() and path.stat().st_size == 0:
            found, fix = "an empty file", "fetch or write the image again"
        else:
            return
    except (OSError, ValueError) as error:
        # Longer than a name may be, or with a null character.
        found, fix = str(error), "check the path"
    raise ImageError(f"there is no image at {path}", got=found, expected="an image file", fix=fix)


def _unreadable(name: str, error: BaseException, file: IO[bytes] | None) -> ImageError:
    if isinstance(error, Image.DecompressionBombError):
        return ImageSizeError(
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
    expected = "a whole file in one of " + ", ".join(formats())
    if file is not None and "HEIF" not in formats() and is_heif(_prefix(file)):
        return ImageError(
            f"{name} cannot be read as an image",
            got="an HEIC photograph (HEIF)",
            expected=expected,
            fix="save it as JPEG or PNG, or register a plugin: pillow_heif.register_heif_opener()",
        )
    return ImageError(
        f"{name} cannot be read as an image",
        got=f"{type(error).__name__}: {error}",
        expected=expected,
        fix="open it in an image viewer; if that fails too it is damaged, otherwise save it as PNG",
    )


def _prefix(file: IO[bytes]) -> bytes:
    file.seek(0)
    return file.read(PREFIX_BYTES)
