"""Pillow's decoder of PNG's pixels, given a whole zlib stream or none."""

from __future__ import annotations

import struct
import zlib
from typing import Any, Final

_HEADER: Final = b"\x78\x01"
_STORED_BYTES: Final = 65535
# Of what may follow the last row, where the checksum is still right. Nothing should.
_MOST_EXCESS: Final = 1 << 20


class WholeZlibDecoder:
    """Inflates by itself, and hands Pillow's decoder what came out, stored.

    That one stops at the last row, before the checksum, and takes a stream that ends early for an image of
    black rows. Inflating what is stored costs it next to nothing.
    """

    def __init__(self, decoder: Any) -> None:
        self._decoder = decoder
        self._stream = zlib.decompressobj()
        self._begun = self._full = False
        self._excess = 0

    def decode(self, data: bytes) -> tuple[int, int]:
        """As Pillow's decoders: bytes taken, or -1 at the end; a status below 0 for damage."""
        taken = len(data)
        while data and not self._stream.eof:
            samples = self._stream.decompress(data, _STORED_BYTES)
            data = self._stream.unconsumed_tail
            if samples and not self._take(samples):
                return -1, -2
        if not self._stream.eof:
            return taken, 0
        if not self._full:
            raise OSError("the data of the pixels end before the image does")
        return -1, 0

    def _take(self, samples: bytes) -> bool:
        if self._full:
            self._excess += len(samples)
            return self._excess <= _MOST_EXCESS
        size = len(samples)
        stored = struct.pack("<BHH", 0, size, size ^ 0xFFFF) + samples
        taken, status = self._decoder.decode(stored if self._begun else _HEADER + stored)
        self._begun, self._full = True, taken < 0
        return bool(status >= 0)
