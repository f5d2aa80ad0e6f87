"""Corrections for mistyped names."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def closest(word: str, choices: Iterable[str], option: str) -> str | None:
    """The option with the choice that looks most like `word`, or None when nothing does."""
    matches = difflib.get_close_matches(word.lower(), list(choices), n=1)
    return f"did you mean {option} {matches[0]}?" if matches else None
