"""Calls that take turns round by round, so that a drift of the machine hits all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TypeVar

Result = TypeVar("Result")


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


def interleaved(calls: Sequence[Callable[[], Result]], goes_on: Callable[[int], bool]) -> list[list[Result]]:
    """What the calls return, each called once a round in the order of `order`.

    Args:
        calls: at least one.
        goes_on: is given the number of rounds that are done, and says whether there is another.
    """
    found: list[list[Result]] = [[] for _ in calls]
    while goes_on(len(found[0])):
        for index in order(len(found[0]), len(calls)):
            found[index].append(calls[index]())
    return found


def timed(call: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> Callable[[], float]:
    """The same call, giving the milliseconds that it takes."""

    def milliseconds() -> float:
        begin = clock()
        # Held, so that giving its memory back is not part of the time.
        result = call()
        end = clock()
        del result
        return (end - begin) * 1000

    return milliseconds
