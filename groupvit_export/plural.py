"""Numbers of things, in words."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """ "1 run", "2,000 runs"; of a noun whose plural ends in s."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
