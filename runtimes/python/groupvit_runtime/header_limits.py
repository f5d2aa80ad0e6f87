"""Headers of more parts than any encoder writes.

Pillow goes through them in Python, a part at a time: ten million bytes of nothing take as long as a hundred
photographs. What is here looks at as many parts as are allowed and no more.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Sequence
from typing import IO, Final

from groupvit_runtime.jpeg2000_tiles import check_tiles

_MOST_PARTS: Final = 1 << 13
# Metadata of a GIF come in blocks of 255 bytes.
_MOST_BLOCKS: Final = 1 << 16
_MOST_BYTES: Final = 1 << 16
_FEW_BYTES: Final = 1 << 9
_MOST_PIXELS: Final = 1 << 24

_COMMENT: Final = re.compile(rb"#[^\r\n]*")
_XPM_SIZES: Final = re.compile(rb'"[0-9]+ [0-9]+ ([0-9]{1,9}) [0-9]')
_IMAGE, _EXTENSION, _TRAILER = b",", b"!", b";"


def check_header(file: IO[bytes]) -> None:
    """Refuse a file that would take long to open; does nothing for formats without such a header.

    Raises:
        OSError: it has absurdly many parts, or ends among them.
    """
    file.seek(0)
    prefix = file.read(12)
    for signature, check in _CHECKS:
        if signature.match(prefix):
            file.seek(0)
            try:
                check(file)
            except (struct.error, IndexError) as error:
                raise OSError("the file ends inside its header") from error
            return


def _gif(file: IO[bytes]) -> None:
    """Up to the first image."""
    *screen, flags = struct.unpack("<6x2HB2x", file.read(13))
    file.seek(3 << (flags & 7) + 1 if flags & 128 else 0, 1)
    left = _MOST_BLOCKS
    while (kind := file.read(1)) not in (_IMAGE, _TRAILER, b"") and left:
        left -= 1
        if kind != _EXTENSION:
            continue
        file.seek(1, 1)
        while left and (length := file.read(1)[0]):
            file.seek(length, 1)
            left -= 1
    _refuse("blocks before its image", _MOST_BLOCKS, left)
    if kind == _IMAGE:
        _check_extent(screen, struct.unpack("<4H", file.read(8)))


def _check_extent(screen: Sequence[int], extent: Sequence[int]) -> None:
    x, y, width, height = extent
    # Pillow enlarges the screen, and warns on the terminal of a large one.
    if max(screen[0], x + width) * max(screen[1], y + height) > max(_MOST_PIXELS, screen[0] * screen[1]):
        raise OSError(f"the first image of {width} x {height} pixels lies outside the screen of the GIF")


def _jpeg2000(file: IO[bytes]) -> None:
    """Up to the pixels, and through them."""
    left = _MOST_PARTS
    while left and len(head := file.read(8)) == 8:
        left -= 1
        length, kind = struct.unpack(">I4s", head)
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8))
            length -= 8
        if kind == b"jp2c":
            check_tiles(file)
            return
        # One that holds others.
        if kind != b"jp2h":
            file.seek(max(length - 8, 0), 1)
    _refuse("boxes", _MOST_PARTS, left)


def _photoshop(file: IO[bytes]) -> None:
    file.seek(26)
    file.seek(struct.unpack(">I", file.read(4))[0], 1)
    end = struct.unpack(">I", file.read(4))[0] + file.tell()
    left = _MOST_PARTS
    while left and file.tell() < end:
        left -= 1
        name = struct.unpack("6xB", file.read(7))[0]
        file.seek(name + (name + 1) % 2, 1)
        length = struct.unpack(">I", file.read(4))[0]
        file.seek(length + length % 2, 1)
    _refuse("resources", _MOST_PARTS, left)


def _netpbm(file: IO[bytes]) -> None:
    # Mostly the beginning is enough.
    for size in (_FEW_BYTES, _MOST_BYTES):
        file.seek(0)
        head = file.read(size)
        if len(_COMMENT.sub(b"", head).split(maxsplit=3)) >= 3:
            return
    if len(head) == _MOST_BYTES:
        raise OSError(f"the file has more than {_MOST_BYTES:,} bytes before its pixels")


def _xpm(file: IO[bytes]) -> None:
    found = _XPM_SIZES.search(file.read(_MOST_BYTES))
    if found is None or int(found[1]) > _MOST_BYTES:
        raise OSError(f"the file has more than {_MOST_BYTES:,} colors, or bytes before their number")


def _refuse(parts: str, most: int, left: int) -> None:
    if not left:
        raise OSError(f"the file has more than {most:,} {parts}")


_CHECKS: Final[tuple[tuple[re.Pattern[bytes], Callable[[IO[bytes]], None]], ...]] = (
    (re.compile(rb"GIF8[79]a"), _gif),
    (re.compile(rb"\0\0\0\x0cjP  "), _jpeg2000),
    (re.compile(rb"\xff\x4f\xff\x51"), check_tiles),
    (re.compile(rb"8BPS"), _photoshop),
    (re.compile(rb"P[0-9fFyL]"), _netpbm),
    (re.compile(rb"/\* XPM \*/"), _xpm),
)
