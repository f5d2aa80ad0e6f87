"""Whose turn it is when several things are measured one after the other."""

from __future__ import annotations


def order(number: int, sides: int) -> list[int]:
    """Whose turn it is in round `number`, a permutation of 0 to sides - 1.

    A plain rotation would let every side but the first follow the same one always, and inherit its spinning
    threads and its caches. The rounds are the rows of a Williams square: over `sides` rounds (twice as
    many where `sides` is odd) every side has every place equally often, and every ordered pair of
    neighbors occurs equally often.

    Raises:
        ValueError: no side.
    """
    if sides < 1:
        raise ValueError(f"an order needs a side, got {sides}")
    zigzag = [(place + 1) // 2 if place % 2 else (sides - place // 2) % sides for place in range(sides)]
    row = [(side + number) % sides for side in zigzag]
    # With an odd number the square alone is not balanced; with its mirror image it is.
    return row[::-1] if sides % 2 and number // sides % 2 else row
