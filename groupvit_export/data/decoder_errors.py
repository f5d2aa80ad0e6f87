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
    IndexError,
    KeyError,
    EOFError,
    OverflowError,
    MemoryError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
