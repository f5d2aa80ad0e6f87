"""What Pillow raises on damaged files; there is no common base class."""

from __future__ import annotations

import struct
import zlib
from typing import Final

from PIL import Image

DECODER_ERRORS: Final = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    IndexError,
    KeyError,
    EOFError,
    OverflowError,
    # Of AVIF's decoder; NotImplementedError is one, too.
    RuntimeError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
