"""PNM files whose samples are written as numbers, which Pillow reads a number at a time."""

from __future__ import annotations

import re
from typing import IO, Final

import numpy as np
from PIL.PpmImagePlugin import PpmImageFile

from groupvit_runtime.pixels import RgbArray, gray_to_rgb

_COMMENT: Final = re.compile(rb"#[^\r\n]*")
_MOST_COMMENTS: Final = 1 << 16
_MOST_DIGITS: Final = 10
_SPACES: Final = frozenset(b" \t\n\v\f\r")
_BITMAP, _GRAY, _COLOR = b"P1", b"P2", b"P3"
_KINDS: Final = (_BITMAP, _GRAY, _COLOR)


def read_plain(image: PpmImageFile, file: IO[bytes]) -> RgbArray | None:
    """Decode one.

    Args:
        image: opened and not loaded.
        file: that it was opened from.

    Returns:
        uint8 [H, W, 3]: ``round(255 v / maximum)``; None for a file whose samples are bytes.

    Raises:
        OSError: samples are missing, or are no numbers up to the maximum.
    """
    file.seek(0)
    kind = file.read(2)
    if kind not in _KINDS:
        return None
    text = file.read()
    if text.count(b"#") > _MOST_COMMENTS:
        raise OSError(f"the file has more than {_MOST_COMMENTS:,} comments")
    text = _COMMENT.sub(b"", text)
    fields = 2 if kind == _BITMAP else 3
    *header, text = text.split(maxsplit=fields)
    maximum = 1 if kind == _BITMAP else int(header[2])
    wanted = image.width * image.height * (3 if kind == _COLOR else 1)
    values = _bits(text) if kind == _BITMAP else _numbers(text)
    if len(values) < wanted:
        raise OSError(f"the file has {len(values):,} samples, and {wanted:,} are needed")
    values = values[:wanted]
    if values.min() < 0 or values.max() > maximum:
        raise OSError(f"the file has a sample beyond {maximum}")
    levels = np.rint(values / maximum * 255).astype(np.uint8)
    if kind == _COLOR:
        return levels.reshape(image.height, image.width, 3)
    # In a bitmap 1 is black.
    return gray_to_rgb((255 - levels if kind == _BITMAP else levels).reshape(image.height, image.width))


def _bits(text: bytes) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """They need no space between them."""
    return np.frombuffer(b"".join(text.split()), np.uint8).astype(np.int64) - ord("0")


def _numbers(text: bytes) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    letters = np.frombuffer(text, np.uint8)
    digits = letters - np.uint8(ord("0"))
    is_digit = np.concatenate([[False], digits < 10, [False]])
    starts = np.flatnonzero(is_digit[1:] & ~is_digit[:-1])
    lengths = np.flatnonzero(is_digit[:-1] & ~is_digit[1:]) - starts
    between = {*np.unique(letters[~is_digit[1:-1]]).tolist()}
    if not between <= _SPACES or lengths.max(initial=0) > _MOST_DIGITS:
        raise OSError("the samples of the file are no numbers")
    values = np.zeros(len(starts), np.int64)
    for place in range(int(lengths.max(initial=0))):
        here = lengths > place
        values[here] = values[here] * 10 + digits[starts[here] + place]
    return values
