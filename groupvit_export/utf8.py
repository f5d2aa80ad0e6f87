"""Names and arguments as text, in whatever locale; imports nothing."""

from __future__ import annotations


def utf8_text(text: str) -> str:
    """A path or an argument as records keep it: bytes that the locale does not have become what they are in
    UTF-8, and where they are nothing an escape."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
