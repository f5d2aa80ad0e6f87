"""The checksums of a PNG file, which Pillow does not compare where they are those of the pixels."""

from __future__ import annotations

import struct
import zlib
from typing import IO, Final

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_LAST: Final = b"IEND"
_PIECE_BYTES: Final = 1 << 20
# An image of 16 bits and 178 megapixels that does not compress has 174,763 of libpng's 8,192 bytes.
_MOST_CHUNKS: Final = 1 << 18
_DATA: Final = (b"IDAT", b"fdAT")
_MOST_OTHERS: Final = 1 << 15


def check_chunks(file: IO[bytes]) -> None:
    """Compare the checksum of every chunk up to the last one; does nothing where the file is no PNG.

    Those of an animation's other frames and of its texts are among them: a file that was damaged in one
    place may be damaged in others.

    Raises:
        OSError: a chunk is damaged, the file ends before its last chunk, or it has absurdly many.
    """
    file.seek(0)
    if file.read(len(_SIGNATURE)) != _SIGNATURE:
        return
    others = 0
    for _ in range(_MOST_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            raise OSError("the PNG ends before its last chunk")
        length, name = struct.unpack(">I4s", head)
        found = zlib.crc32(name)
        while length:
            piece = file.read(min(length, _PIECE_BYTES))
            if not piece:
                raise OSError(f"the PNG ends inside its chunk {name!r}")
            found = zlib.crc32(piece, found)
            length -= len(piece)
        if file.read(4) != struct.pack(">I", found):
            raise OSError(f"the PNG's chunk {name!r} is damaged: its checksum is not that of its bytes")
        if name == _LAST:
            return
        others += name not in _DATA
        if others > _MOST_OTHERS:
            raise OSError(f"the PNG has more than {_MOST_OTHERS:,} chunks beside its pixels")
    raise OSError(f"the PNG has more than {_MOST_CHUNKS:,} chunks")
