"""Damaged images: bytes changed anywhere, or parts of a format, with its checksums made right again."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

_INTERESTING: Final = (
    0,
    1,
    2,
    7,
    8,
    127,
    128,
    255,
    256,
    32767,
    32768,
    65535,
    65536,
    1 << 24,
    (1 << 31) - 1,
    (1 << 32) - 1,
)
_HEADER_BYTES: Final = 96

Rng = np.random.Generator


def mutated(data: bytes, rng: Rng, others: Sequence[bytes]) -> bytes:
    """One to three changes of a sound image."""
    for _ in range(1 + int(rng.integers(3))):
        by_format = _BY_PREFIX.get(data[:2])
        ways = (*_ANYWHERE, *([by_format] * 6 if by_format is not None else []))
        data = ways[int(rng.integers(len(ways)))](data, rng, others)
    return data


def _place(data: bytes, rng: Rng) -> int:
    return int(rng.integers(max(len(data), 1)))


def _flip(data: bytes, rng: Rng, others: Sequence[bytes]) -> bytes:
    changed = bytearray(data)
    for _ in range(1 + int(rng.integers(4))):
        if changed:
            changed[_place(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def _number(data: bytes, rng: Rng, others: Sequence[bytes]) -> bytes:
    """A number of the header that is at the edge of something."""
    value, size = _INTERESTING[int(rng.integers(len(_INTERESTING)))], (1, 2, 4)[int(rng.integers(3))]
    packed = (value & ((1 << 8 * size) - 1)).to_bytes(size, ("little", "big")[int(rng.integers(2))])
    at = int(rng.integers(_HEADER_BYTES))
    return data[:at] + packed + data[at + size :]


def _cut(data: bytes, rng: Rng, others: Sequence[bytes]) -> bytes:
    return data[: _place(data, rng)]


def _remove(data: bytes, rng: Rng, others: Sequence[bytes]) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + int(rng.integers(1, 64)) :]


def _repeat(data: bytes, rng: Rng, others: Sequence[bytes]) -> bytes:
    at, size, times = _place(data, rng), int(rng.integers(1, 256)), int(rng.integers(2, 64))
    return data[:at] + data[at : at + size] * times + data[at + size :]


def _fill(data: bytes, rng: Rng, others: Sequence[bytes]) -> bytes:
    at, size = _place(data, rng), int(rng.integers(1, 200))
    return data[:at] + bytes([(0, 255)[int(rng.integers(2))]]) * size + data[at + size :]


def _splice(data: bytes, rng: Rng, others: Sequence[bytes]) -> bytes:
    other = others[int(rng.integers(len(others)))]
    return data[: _place(data, rng)] + other[_place(other, rng) :]


def _head_of_another(data: bytes, rng: Rng, others: Sequence[bytes]) -> bytes:
    other, size = others[int(rng.integers(len(others)))], int(rng.integers(4, 64))
    return other[:size] + data[size:]


def _append(data: bytes, rng: Rng, others: Sequence[bytes]) -> bytes:
    return data + others[int(rng.integers(len(others)))]


_ANYWHERE: Final[tuple[Callable[[bytes, Rng, Sequence[bytes]], bytes], ...]] = (
    *(_flip, _flip, _flip, _number, _number, _number, _cut, _remove, _repeat, _fill, _splice),
    *(_head_of_another, _append),
)


def _of_parts(parts: list[bytes], rng: Rng) -> list[bytes]:
    """Some parts left out, repeated, swapped, or with other bytes."""
    if not parts:
        return parts
    at, other = int(rng.integers(len(parts))), int(rng.integers(len(parts)))
    way = int(rng.integers(6))
    if way == 0:
        del parts[at]
    elif way == 1:
        parts[at:at] = [parts[at]] * int(rng.integers(1, 40))
    elif way == 2:
        parts[at], parts[other] = parts[other], parts[at]
    else:
        change = (_flip, _number, _fill)[way - 3]
        parts[at] = parts[at][:4] + change(parts[at][4:], rng, ())
    return parts


def _png(data: bytes, rng: Rng, others: Sequence[bytes]) -> bytes:
    parts, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        parts.append(data[at + 4 : at + 8 + length])
        at += 12 + length
    if rng.integers(3) == 0:
        parts = [_with_other_pixels(part, rng) if part[:4] == b"IDAT" else part for part in parts]
    chunks = (
        struct.pack(">I", max(len(part) - 4, 0)) + part + struct.pack(">I", zlib.crc32(part))
        for part in _of_parts(parts, rng)
    )
    return data[:8] + b"".join(chunks)


def _with_other_pixels(part: bytes, rng: Rng) -> bytes:
    try:
        samples = zlib.decompress(part[4:])
    except zlib.error:
        return part
    change = (_flip, _cut, _repeat, _fill)[int(rng.integers(4))]
    return part[:4] + zlib.compress(change(samples, rng, ()))


def _jpeg(data: bytes, rng: Rng, others: Sequence[bytes]) -> bytes:
    parts, at = [], 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        (length,) = struct.unpack_from(">H", data, at + 2)
        parts.append(data[at : at + 2 + length])
        at += 2 + length
    return data[:2] + b"".join(_of_parts(parts, rng)) + data[at:]


def _tiff(data: bytes, rng: Rng, others: Sequence[bytes]) -> bytes:
    """An entry of the directory."""
    order = "<" if data[:1] == b"I" else ">"
    if len(data) < 16 or struct.unpack_from(f"{order}H", data, 2)[0] != 42:
        return _number(data, rng, others)
    (directory,) = struct.unpack_from(f"{order}I", data, 4)
    if directory + 2 > len(data):
        return _flip(data, rng, others)
    (entries,) = struct.unpack_from(f"{order}H", data, directory)
    at = directory + 2 + 12 * int(rng.integers(max(entries, 1)))
    if at + 12 > len(data):
        return _flip(data, rng, others)
    tag, kind, count, value = struct.unpack_from(f"{order}HHII", data, at)
    number = _INTERESTING[int(rng.integers(len(_INTERESTING)))]
    entry = [tag, kind, count, value]
    field = (0, 1, 2, 3, 3, 3)[int(rng.integers(6))]
    entry[field] = int(rng.integers(256, 540)) if field == 0 else number % (65536 if field == 1 else 1 << 32)
    return data[:at] + struct.pack(f"{order}HHII", *entry) + data[at + 12 :]


def _riff(data: bytes, rng: Rng, others: Sequence[bytes]) -> bytes:
    parts, at = [], 12
    while at + 8 <= len(data):
        (length,) = struct.unpack_from("<I", data, at + 4)
        parts.append(data[at : at + 8 + length + length % 2])
        at += 8 + length + length % 2
    body = b"".join(_of_parts(parts, rng))
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


_BY_PREFIX: Final = {b"\x89P": _png, b"\xff\xd8": _jpeg, b"II": _tiff, b"MM": _tiff, b"RI": _riff}
