"""The palette behind the pixels of a PCX file, without which Pillow takes its indices for gray."""

from __future__ import annotations

import io
from typing import IO, Final

_HEADER_BYTES: Final = 128
_PALETTE_BYTES: Final = 769
_PALETTE_MARK: Final = b"\x0c"
_EIGHT_BITS, _ONE_PLANE, _GRAY = 8, 1, 2


def check_palette(file: IO[bytes]) -> None:
    """Refuse a PCX that should have a palette and has none.

    Raises:
        OSError: it was cut off.
    """
    file.seek(0)
    header = file.read(_HEADER_BYTES)
    if len(header) < _HEADER_BYTES or (header[3], header[65]) != (_EIGHT_BITS, _ONE_PLANE):
        return
    if file.seek(0, io.SEEK_END) < _HEADER_BYTES + _PALETTE_BYTES:
        raise OSError("the file ends before its palette")
    file.seek(-_PALETTE_BYTES, io.SEEK_END)
    if file.read(1) != _PALETTE_MARK and header[68] != _GRAY:
        raise OSError("the file ends before its palette does, or has more behind it")
