"""TIFF files of 16-bit samples: every order of bytes, layout and lossless compression, exactly.

Pillow reads 16-bit gray exactly and takes the high byte of everything else. So it is given files made of the
same strips in which the samples lie as gray: all of a pixel side by side in a row, or a plane alone. What
depends on the number of samples is done here.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.ImageFile import ImageFile

from groupvit_runtime import tiff_directory as tiff
from groupvit_runtime.image_formats import open_image
from groupvit_runtime.load_image import load_whole, reserve_tiff
from groupvit_runtime.pixels import STRIP_BYTES, RgbArray, gray_to_rgb, over_white, to_eight_bits
from groupvit_runtime.tiff_directory import TiffDirectory

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _CMYK = 0, 1, 2, 5
_COLORS: Final = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _CMYK: 4}
# None, LZW, deflate by both numbers, PackBits, LZMA, zstd.
_LOSSLESS: Final = frozenset({1, 5, 8, 32946, 32773, 34925, 50000})
_UNSIGNED, _UNDEFINED = 1, 4
_SEPARATE_PLANES: Final = 2
_HORIZONTAL: Final = 2
_ASSOCIATED: Final = 1
_UNSPECIFIED: Final = 0


@dataclass(frozen=True)
class DeepTiff:
    """A TIFF of 16-bit samples.

    Attributes:
        directory: its tags.
        height, width: of the stored image, in pixels.
        samples: of a pixel.
        colors: how many of them are colors; they come first.
        alpha: which of them is the alpha, or None.
        orientation: as EXIF has it, 1 to 8.
    """

    directory: TiffDirectory
    height: int
    width: int
    samples: int
    colors: int
    alpha: int | None
    orientation: int

    @property
    def bytes_a_pixel(self) -> int:
        """Of memory, to read it: as libtiff gives its samples, as Pillow holds them, and the result."""
        return 3 + 2 * 2 * self.samples


def deep_tiff(directory: TiffDirectory) -> DeepTiff | None:
    """Look whether a TIFF has 16-bit samples that `read_tiff` reads."""
    samples = directory.one(tiff.SAMPLES, 1)
    colors = _COLORS.get(directory.one(tiff.PHOTOMETRIC, _WHITE_IS_ZERO))
    if (
        set(directory.tags.get(tiff.BITS, (1,))) != {16}
        or not {*directory.tags.get(tiff.SAMPLE_FORMAT, (_UNSIGNED,))} <= {_UNSIGNED, _UNDEFINED}
        or directory.one(tiff.COMPRESSION, 1) not in _LOSSLESS
        or directory.one(tiff.PREDICTOR, 1) not in (1, _HORIZONTAL)
        or colors is None
        or not colors <= samples <= colors + 16
    ):
        return None
    extra = directory.tags.get(tiff.EXTRA_SAMPLES, ())
    # A fourth sample that nobody explains is an alpha, as Pillow takes it in 8 bits.
    alphas = [colors + place for place, meaning in enumerate(extra) if meaning != _UNSPECIFIED]
    if not extra and samples > colors:
        alphas = [colors]
    return DeepTiff(
        directory=directory,
        height=directory.one(tiff.HEIGHT, 0),
        width=directory.one(tiff.WIDTH, 0),
        samples=samples,
        colors=colors,
        alpha=alphas[0] if alphas and alphas[0] < samples else None,
        orientation=directory.one(tiff.ORIENTATION, 1),
    )


def read_tiff(image: DeepTiff, file: IO[bytes]) -> RgbArray:
    """Decode it.

    Returns:
        uint8 [H, W, 3] as it is stored, not turned; alpha laid over white.

    Raises:
        OSError: the file is truncated or damaged.
    """
    grays, together = _planes(image, file)
    result = np.empty((image.height, image.width, 3), np.uint8)
    step = max(STRIP_BYTES // (2 * image.width * image.samples), 1)
    for top in range(0, image.height, step):
        bottom = min(top + step, image.height)
        values = [_rows(image, gray, together, top, bottom) for gray in grays]
        result[top:bottom] = _colors(image, values[0] if len(values) == 1 else np.concatenate(values, axis=2))
    return result


def _colors(image: DeepTiff, values: NDArray[np.uint16]) -> RgbArray:
    color = values[:, :, : image.colors]
    if image.alpha is None:
        return _rgb(image, to_eight_bits(color))
    alpha = values[:, :, image.alpha : image.alpha + 1]
    if _ASSOCIATED in image.directory.tags.get(tiff.EXTRA_SAMPLES, ()):
        color = _unassociated(color, alpha)
    return over_white(np.concatenate([_rgb(image, to_eight_bits(color)), to_eight_bits(alpha)], axis=2))


def _rgb(image: DeepTiff, levels: NDArray[np.uint8]) -> RgbArray:
    if image.colors == 4:
        size = (levels.shape[1], levels.shape[0])
        return np.asarray(Image.frombytes("CMYK", size, levels.tobytes()).convert("RGB"))
    if image.colors == 3:
        return levels
    gray = levels[:, :, 0]
    white_is_zero = image.directory.one(tiff.PHOTOMETRIC, _WHITE_IS_ZERO) == _WHITE_IS_ZERO
    return gray_to_rgb(255 - gray if white_is_zero else gray)


def _unassociated(color: NDArray[np.uint16], alpha: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Color that was stored multiplied with its alpha."""
    divisor = np.maximum(alpha, 1).astype(np.uint64)
    return np.minimum((color * np.uint64(65535) + divisor // 2) // divisor, 65535).astype(np.uint16)


def _planes(image: DeepTiff, file: IO[bytes]) -> tuple[list[ImageFile], int]:
    """Decoded as gray: the planes, and how many samples of a pixel lie together in each."""
    tags = image.directory.tags
    places = tiff.TILES if tiff.TILES[0] in tags else tiff.STRIPS
    parts = _parts(image, file, places)
    planes = image.samples if image.directory.one(tiff.PLANAR, 1) == _SEPARATE_PLANES else 1
    if len(parts) % planes:
        raise OSError(f"{len(parts)} strips or tiles of {planes} planes")
    of_plane = len(parts) // planes
    together = image.samples // planes
    planes_of_parts = (parts[plane * of_plane : (plane + 1) * of_plane] for plane in range(planes))
    return [_plane(image, places, of_one, together) for of_one in planes_of_parts], together


def _parts(image: DeepTiff, file: IO[bytes], places: tuple[int, int]) -> list[bytes]:
    tags = image.directory.tags
    offsets, lengths = tags.get(places[0], ()), tags.get(places[1])
    if lengths is None and image.directory.one(tiff.COMPRESSION, 1) == 1 and len(offsets) == 1:
        lengths = (image.height * image.width * image.samples * 2,)
    size = file.seek(0, io.SEEK_END)
    # Strips that lie on each other would make a small file large.
    if lengths is None or len(lengths) != len(offsets) or sum(lengths) > size:
        raise OSError("the file is truncated, or the places of its strips or tiles are damaged")
    parts = []
    for offset, length in zip(offsets, lengths, strict=True):
        file.seek(offset)
        parts.append(file.read(length))
        if len(parts[-1]) < length:
            raise OSError("the file ends before the image does")
    return parts


def _plane(image: DeepTiff, places: tuple[int, int], parts: list[bytes], together: int) -> ImageFile:
    """Decoded as gray, `together` times as wide."""
    directory, width = image.directory, image.width
    tags = {
        tiff.WIDTH: width * together,
        tiff.HEIGHT: image.height,
        tiff.BITS: 16,
        tiff.COMPRESSION: directory.one(tiff.COMPRESSION, 1),
        tiff.PHOTOMETRIC: _BLACK_IS_ZERO,
        tiff.FILL_ORDER: directory.one(tiff.FILL_ORDER, 1),
        tiff.SAMPLES: 1,
    }
    if places == tiff.TILES:
        tags[tiff.TILE_WIDTH] = directory.one(tiff.TILE_WIDTH, width) * together
        tags[tiff.TILE_HEIGHT] = directory.one(tiff.TILE_HEIGHT, image.height)
    else:
        tags[tiff.ROWS_PER_STRIP] = min(directory.one(tiff.ROWS_PER_STRIP, image.height), image.height)
    gray = open_image(io.BytesIO(tiff.write_tiff(directory.order, tags, places, parts)))
    reserve_tiff(gray)
    load_whole(gray)
    return gray


def _rows(image: DeepTiff, gray: ImageFile, together: int, top: int, bottom: int) -> NDArray[np.uint16]:
    """uint16 [bottom - top, W, together]."""
    directory, width = image.directory, image.width
    strip = gray.crop((0, top, width * together, bottom))
    values = np.asarray(strip).astype(np.uint16).reshape(bottom - top, width, together)
    if directory.one(tiff.PREDICTOR, 1) == _HORIZONTAL:
        tile_width = directory.one(tiff.TILE_WIDTH, width) if tiff.TILES[0] in directory.tags else width
        for left in range(0, width, tile_width):
            tile = values[:, left : left + tile_width]
            # The differences of neighbors, modulo 65,536.
            np.cumsum(tile, axis=1, dtype=np.uint16, out=tile)
    return values
