"""The tiles of a JPEG 2000 codestream: whether each is there. OpenJPEG leaves black what is not."""

from __future__ import annotations

import struct
from typing import IO, Final

_SIZE, _TILE_PART, _END = 0xFF51, 0xFF90, 0xFFD9
_MOST_PARTS: Final = 1 << 17


def check_tiles(file: IO[bytes]) -> None:
    """Walk through a codestream, which begins where the file stands (ISO 15444-1, annex A).

    Raises:
        OSError: a tile is missing, or there are absurdly many parts.
        struct.error: the file ends early.
    """
    file.seek(2, 1)
    wanted, found = 0, set()
    for _ in range(_MOST_PARTS):
        start = file.tell()
        marker, length = struct.unpack(">HH", file.read(4))
        if marker == _SIZE:
            columns, rows, left, top, width, height, tiles_left, tiles_top = struct.unpack(
                ">2x8I", file.read(34)
            )
            if not (left < columns and top < rows and width and height):
                raise OSError("the JPEG 2000 has no pixels")
            wanted = -(-(columns - tiles_left) // width) * -(-(rows - tiles_top) // height)
        if marker != _TILE_PART:
            file.seek(start + 2 + length)
            continue
        tile, part_bytes = struct.unpack(">HI", file.read(6))
        found.add(tile)
        # The last one may leave it open.
        file.seek(start + part_bytes)
        if not part_bytes or file.read(2) == struct.pack(">H", _END):
            break
        file.seek(start + part_bytes)
    else:
        raise OSError(f"the JPEG 2000 has more than {_MOST_PARTS:,} parts")
    if len(found) != wanted:
        raise OSError(f"the JPEG 2000 has {len(found)} of its {wanted} tiles")
