"""The tags of a TIFF's image, and a small TIFF made of some of its strips or tiles."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Final

from PIL import TiffTags, UnidentifiedImageError

WIDTH, HEIGHT, BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER = 256, 257, 258, 259, 262, 266
ORIENTATION, SAMPLES, ROWS_PER_STRIP, PLANAR, PREDICTOR = 274, 277, 278, 284, 317
TILE_WIDTH, TILE_HEIGHT, EXTRA_SAMPLES, SAMPLE_FORMAT = 322, 323, 338, 339
STRIPS, TILES = (273, 279), (324, 325)
"""Tags of the offsets, and of the lengths in bytes."""

_BYTE_ORDERS: Final = {b"II": "<", b"MM": ">"}
_CLASSIC, _BIG = 42, 43
_VERSIONS: Final = (b"\0*", b"*\0", b"\0+", b"+\0")
# Bytes of a value by its kind, from 1 on.
_SIZES: Final = (0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8, 8, 8)
# Of which all values are one: bytes, letters and what is undefined.
_WHOLE_KINDS: Final = (1, 2, 7)
_LETTERS: Final = {1: "B", 3: "H", 4: "I", 16: "Q"}
_MOST_ENTRIES, _MOST_VALUES = 1 << 12, 1 << 17
_LAYOUT: Final = (
    WIDTH,
    HEIGHT,
    BITS,
    SAMPLES,
    PLANAR,
    ROWS_PER_STRIP,
    TILE_WIDTH,
    TILE_HEIGHT,
    *STRIPS,
    *TILES,
)
_MEANING: Final = (COMPRESSION, PREDICTOR, FILL_ORDER, PHOTOMETRIC, EXTRA_SAMPLES, SAMPLE_FORMAT, ORIENTATION)
_KEPT: Final = frozenset((*_LAYOUT, *_MEANING))


@dataclass(frozen=True)
class TiffDirectory:
    """The whole numbers among the tags of one image of a TIFF.

    Attributes:
        order: of the bytes, as `struct` writes it: "<" or ">".
        big: whether it is a BigTIFF, whose places have 64 bits.
        tags: values by tag, of those that this module names.
    """

    order: str
    big: bool
    tags: Mapping[int, tuple[int, ...]]

    def one(self, tag: int, default: int) -> int:
        """The tag's first value."""
        return self.tags.get(tag, (default,))[0]


def read_directory(file: IO[bytes], *, every_tag: bool = False) -> TiffDirectory | None:
    """Read the tags of the first image.

    Args:
        file: that may be a TIFF.
        every_tag: whether values of any tag that lie outside the file are damage. Pillow and libtiff would
            say so on the terminal, and go on.

    Returns:
        None where the file is no TIFF.

    Raises:
        UnidentifiedImageError: the directory is damaged.
    """
    file.seek(0)
    head = file.read(16)
    order = _BYTE_ORDERS.get(head[:2])
    if order is None or head[2:4] not in _VERSIONS:
        return None
    # Pillow reads a classic one whose number is written in the other order, too.
    version = max(head[2:4])
    big = version == _BIG
    try:
        return TiffDirectory(order, big, _tags(file, order, head, big=big, every=every_tag))
    except (struct.error, OverflowError, ValueError) as error:
        raise UnidentifiedImageError(f"the TIFF's directory is damaged: {error}") from error


def _tags(file: IO[bytes], order: str, head: bytes, *, big: bool, every: bool) -> dict[int, tuple[int, ...]]:
    counting, offset, first = ("Q", "Q", 8) if big else ("H", "I", 4)
    file.seek(struct.unpack_from(order + offset, head, first)[0])
    entries = struct.unpack(order + counting, file.read(struct.calcsize(counting)))[0]
    if entries > _MOST_ENTRIES:
        raise ValueError(f"{entries} entries")
    entry = f"{order}HH{offset}"
    size, inline = struct.calcsize(entry), struct.calcsize(offset)
    # Behind them lies where the next image's are.
    table = file.read(entries * (size + inline) + inline)
    if every and len(table) < entries * (size + inline) + inline:
        raise ValueError("the file ends inside it")
    tags: dict[int, tuple[int, ...]] = {}
    end, found = file.seek(0, io.SEEK_END), 0
    for at in range(0, entries * (size + inline), size + inline):
        tag, kind, count = struct.unpack_from(entry, table, at)
        if every:
            length = _check_entry(tag, kind, count)
            if length > inline:
                found += length
                if struct.unpack_from(order + offset, table, at + size)[0] + length > end or found > end:
                    raise ValueError(f"the values of tag {tag} lie outside the file")
        letter = _LETTERS.get(kind)
        if tag not in _KEPT or letter is None or not 0 < count <= _MOST_VALUES:
            continue
        values, place = f"{order}{count}{letter}", at + size
        if struct.calcsize(values) <= inline:
            read = struct.unpack_from(values, table, place)
        else:
            file.seek(struct.unpack_from(order + offset, table, place)[0])
            read = struct.unpack(values, file.read(struct.calcsize(values)))
        # Pillow and libtiff take the first, Pillow once took the last: what is checked must be decoded.
        if tags.setdefault(tag, read) != read and every:
            raise ValueError(f"tag {tag} is there twice, with different values")
    return tags


def _check_entry(tag: int, kind: int, count: int) -> int:
    """How many bytes its values have."""
    if tag in _KEPT and kind not in _LETTERS:
        raise ValueError(f"tag {tag} is of kind {kind}, and a whole number is expected")
    if tag in _KEPT and not 0 < count <= _MOST_VALUES:
        raise ValueError(f"tag {tag} has {count:,} values, and at most {_MOST_VALUES:,} are read")
    if count != 1 and kind not in _WHOLE_KINDS and TiffTags.lookup(tag).length == 1:
        raise ValueError(f"tag {tag} has {count} values, and one is expected")
    return count * (_SIZES[kind] if kind < len(_SIZES) else 0)


def write_tiff(order: str, tags: Mapping[int, int], places: tuple[int, int], parts: Sequence[bytes]) -> bytes:
    """A TIFF of one image.

    Args:
        order: of its bytes, "<" or ">".
        tags: one value each.
        places: `STRIPS` or `TILES`.
        parts: what lies there, compressed or not.
    """
    lists = 8 + 2 + 12 * (len(tags) + 2) + 4
    offsets, at = [], lists + 8 * len(parts)
    for part in parts:
        offsets.append(at)
        at += len(part)
    columns = {places[0]: offsets, places[1]: [len(part) for part in parts]}
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HIH", _CLASSIC, 8, len(tags) + 2)
    tail = b""
    for tag in sorted({*tags, *columns}):
        values = columns.get(tag, [tags[tag]] if tag in tags else [])
        packed = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            place = struct.pack(f"{order}I", lists + len(tail))
            tail += packed
        else:
            place = packed
        head += struct.pack(f"{order}HHI", tag, 4, len(values)) + place
    return (head + bytes(4) + tail).ljust(lists + 8 * len(parts), b"\0") + b"".join(parts)
