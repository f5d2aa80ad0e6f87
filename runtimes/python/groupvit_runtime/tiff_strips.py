"""The compressed strips and tiles of a TIFF: whether each is there, and whole.

libtiff stops where it has the samples that it wants, before the checksum.
"""

from __future__ import annotations

import io
import zlib
from dataclasses import dataclass
from typing import IO, Final

from groupvit_runtime import tiff_directory as tiff
from groupvit_runtime.tiff_directory import TiffDirectory

_NONE: Final = 1
_DEFLATE: Final = (8, 32946)
_SEPARATE_PLANES: Final = 2
_YCBCR: Final = 6
_MOST_EXCESS: Final = 1 << 20


def check_strips(directory: TiffDirectory, file: IO[bytes]) -> None:
    """Look whether every strip or tile is there, and whole where it is a zlib stream.

    Raises:
        OSError: one is damaged, ends early or lies outside the file.
        zlib.error: one is no zlib stream.
    """
    compression = directory.one(tiff.COMPRESSION, 1)
    if compression == _NONE:
        # Read by Pillow itself, which sees for itself.
        return
    places = tiff.TILES if tiff.TILES[0] in directory.tags else tiff.STRIPS
    offsets, lengths = (directory.tags.get(tag, ()) for tag in places)
    layout = _layout(directory, tiled=places == tiff.TILES)
    # Each of them may be laid on the same bytes, which would make a small file large.
    if not len(offsets) == len(lengths) == layout.parts:
        raise OSError(f"the TIFF has {len(offsets)} strips or tiles, and {layout.parts} cover the image")
    end = file.seek(0, io.SEEK_END)
    for index, (offset, length) in enumerate(zip(offsets, lengths, strict=True)):
        if not length or offset + length > end:
            raise OSError("a strip or tile of the TIFF lies outside the file")
        # Where each byte has its bits the other way round, libtiff turns them first.
        if compression in _DEFLATE and directory.one(tiff.FILL_ORDER, 1) == 1:
            file.seek(offset)
            _inflate(file, length, layout.least_bytes(index), layout.part_bytes)


@dataclass(frozen=True)
class _Layout:
    """How the samples are spread.

    Attributes:
        parts: strips or tiles of all planes.
        of_plane: of one.
        part_bytes: of a whole one, inflated.
        last_bytes: of a plane's last one, which may have fewer rows.
    """

    parts: int
    of_plane: int
    part_bytes: int
    last_bytes: int

    def least_bytes(self, index: int) -> int:
        return self.last_bytes if index % self.of_plane == self.of_plane - 1 else self.part_bytes


def _layout(directory: TiffDirectory, *, tiled: bool) -> _Layout:
    width, height = max(directory.one(tiff.WIDTH, 1), 1), max(directory.one(tiff.HEIGHT, 1), 1)
    samples = directory.one(tiff.SAMPLES, 1)
    planes = samples if directory.one(tiff.PLANAR, 1) == _SEPARATE_PLANES else 1
    rows = max(directory.one(tiff.TILE_HEIGHT if tiled else tiff.ROWS_PER_STRIP, height), 1)
    columns = max(directory.one(tiff.TILE_WIDTH, width), 1) if tiled else width
    row_bytes = -(-columns * samples // planes * directory.one(tiff.BITS, 1) // 8)
    down, across = -(-height // rows), -(-width // columns)
    last = rows if tiled else height - (down - 1) * rows
    # Chroma may be stored for fewer pixels.
    scarce = directory.one(tiff.PHOTOMETRIC, 0) == _YCBCR
    return _Layout(
        parts=max(down * across * planes, 1),
        of_plane=max(down * across, 1),
        part_bytes=0 if scarce else row_bytes * min(rows, height if not tiled else rows),
        last_bytes=0 if scarce else row_bytes * last,
    )


def _inflate(file: IO[bytes], length: int, least: int, whole: int) -> None:
    stream, found = zlib.decompressobj(), 0
    data = b""
    while not stream.eof:
        if not data:
            data = file.read(min(length, 1 << 16))
            length -= len(data)
            if not data:
                raise OSError("a strip or tile of the TIFF ends early")
        found += len(stream.decompress(data, 1 << 16))
        data = stream.unconsumed_tail
        if whole and found > whole + _MOST_EXCESS:
            raise OSError("a strip or tile of the TIFF has more than its samples")
    if found < least:
        raise OSError(f"a strip or tile of the TIFF has {found} bytes, and {least} are needed")
