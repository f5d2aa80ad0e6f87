"""Text files of users to lines, whatever editor wrote them."""

from __future__ import annotations

import codecs
import re

_OTHER_MARKS = {
    # The longest first: UTF-16's little-endian mark is the beginning of UTF-32's.
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}


def utf8_text(data: bytes) -> str:
    """Decode UTF-8, with or without a byte order mark.

    Raises:
        ValueError: it is another encoding; says which, and how to convert it, where the bytes tell.
    """
    for mark, name in _OTHER_MARKS.items():
        if data.startswith(mark):
            raise ValueError(f"it is {name}; as UTF-8: iconv -f {name} -t UTF-8 FILE > NEW")
    if b"\0" in data:
        raise ValueError("it has zeros, as UTF-16 without a mark has; save it as UTF-8")
    return data.decode("utf-8-sig")


def text_lines(text: str) -> list[str]:
    """Lines, which end at LF, CR LF or CR only: `str.splitlines` ends them at U+2028 and form feeds, too."""
    return re.split("\r\n|\n|\r", text)
