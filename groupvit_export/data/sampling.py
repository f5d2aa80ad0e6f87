"""Which images are taken where there are more than wanted: one rule for verify, calibration and eval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

_Item = TypeVar("_Item")

_GOLDEN: Final = 2654435769
"""2**32 divided by the golden ratio: its multiples, modulo 2**32, fill the circle evenly."""

_CIRCLE: Final = 1 << 32


def spread(items: Sequence[_Item], limit: int | None) -> list[_Item]:
    """At most `limit` of the items, spread evenly, in their own order.

    A larger limit takes the same items and more, so that what was measured on fewer can be gone on with.

    Args:
        items: in an order that means something: by name, by place in a data set.
        limit: how many at most, 0 or more; None for all.
    """
    if limit is None or len(items) <= limit:
        return list(items)
    places = sorted(range(len(items)), key=lambda index: index * _GOLDEN % _CIRCLE)
    return [items[index] for index in sorted(places[:limit])]
