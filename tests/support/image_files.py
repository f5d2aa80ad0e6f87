"""Image files that no library at hand writes: PNG of any depth, interlaced, with a transparent color."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np

# Of each of the seven passes: first row, first column, and the steps.
ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
GRAY, RGB, PALETTE, GRAY_ALPHA, RGBA = 0, 2, 3, 4, 6


def png(
    samples: np.ndarray,
    depth: int,
    kind: int,
    *,
    transparent: Sequence[int] = (),
    interlaced: bool = False,
) -> bytes:
    """A PNG.

    Args:
        samples: unsigned [H, W, channels] below ``2 ** depth``.
        depth: 1, 2, 4, 8 or 16.
        kind: the color type.
        transparent: sample values of the one transparent color.
        interlaced: in seven passes.
    """
    height, width = samples.shape[:2]
    passes = [samples[y::dy, x::dx] for y, x, dy, dx in ADAM7] if interlaced else [samples]
    rows = [b"\0" + _packed(row.ravel(), depth) for part in passes if part.size for row in part]
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)),
        *([(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))] if transparent else []),
        (b"IDAT", zlib.compress(b"".join(rows))),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


def _packed(values: np.ndarray, depth: int) -> bytes:
    if depth == 16:
        return values.astype(">u2").tobytes()
    bits = (values[:, None] >> np.arange(depth - 1, -1, -1)) & 1
    return np.packbits(bits.astype(np.uint8).ravel()).tobytes()
