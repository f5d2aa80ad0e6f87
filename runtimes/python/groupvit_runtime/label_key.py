"""When two class names are one to whoever reads them; the C++ runtime has the same tables."""

from __future__ import annotations

import unicodedata
from typing import Final

_Ranges = tuple[tuple[int, int], ...]

IGNORABLE: Final[_Ranges] = (
    (0xAD, 0xAD), (0x34F, 0x34F), (0x61C, 0x61C), (0x115F, 0x1160), (0x17B4, 0x17B5), (0x180B, 0x180F),
    (0x200B, 0x200F), (0x202A, 0x202E), (0x2060, 0x206F), (0x3164, 0x3164), (0xFE00, 0xFE0F),
    (0xFEFF, 0xFEFF), (0xFFA0, 0xFFA0), (0xFFF0, 0xFFF8), (0x1BCA0, 0x1BCA3),
    (0x1D173, 0x1D17A), (0xE0000, 0xE0FFF),
)  # fmt: skip
"""Unicode's Default_Ignorable_Code_Point: by themselves these show nothing."""

_JOINERS: Final[_Ranges] = ((0x200C, 0x200D),)
_SHAPERS: Final[_Ranges] = (
    (0x180B, 0x180F), (0x200C, 0x200D), (0xFE00, 0xFE0F), (0xE0020, 0xE007F), (0xE0100, 0xE01EF),
)  # fmt: skip
"""Those that can change how their neighbors look: joiners, variation selectors, tags of a flag."""

_SHAPED: Final[_Ranges] = (
    (0x600, 0x1CFF), (0x2190, 0x2BFF), (0x3030, 0x303D), (0x3297, 0x3299), (0x3400, 0x9FFF), (0xA840, 0xABFF),
    (0xFB50, 0xFDFF), (0xFE00, 0xFE0F), (0xFE70, 0xFEFE), (0x10A00, 0x11FFF), (0x1E900, 0x1E95F),
    (0x1F000, 0x1FAFF), (0x20000, 0x3FFFF), (0xE0020, 0xE007F),
)  # fmt: skip
"""What they can change: letters that join, ideographs, symbols and emoji."""


def label_key(name: str) -> str:
    """What is equal for names that look alike: no case, composed, and without what does not show."""
    composed = unicodedata.normalize("NFC", _visible(name))
    return unicodedata.normalize("NFC", composed.casefold())


def _visible(name: str) -> str:
    kept = ""
    for place, letter in enumerate(name):
        if _is_in(letter, IGNORABLE):
            changes = _is_in(letter, _SHAPERS) and _is_in(kept[-1:], _SHAPED)
            if changes and _is_in(letter, _JOINERS):
                changes = _is_in(name[place + 1 : place + 2], _SHAPED)
            if not changes:
                continue
        kept += letter
    return kept


def _is_in(letter: str, ranges: _Ranges) -> bool:
    return letter != "" and any(first <= ord(letter) <= last for first, last in ranges)
