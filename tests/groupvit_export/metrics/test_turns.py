"""Whose turn it is."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from groupvit_export.metrics.turns import order


@pytest.mark.parametrize("sides", [1, 2, 3, 4, 7, 10])
def test_every_side_has_every_place_and_every_neighbor_equally_often(sides: int) -> None:
    rounds = [order(number, sides) for number in range(2 * sides)]
    assert all(sorted(row) == list(range(sides)) for row in rounds)
    places = Counter((place, side) for row in rounds for place, side in enumerate(row))
    neighbors = Counter(pair for row in rounds for pair in pairwise(row))
    assert set(places.values()) == {2} and len(places) == sides**2
    assert len(neighbors) == sides * (sides - 1) and len(set(neighbors.values())) <= 1


def test_no_side_has_no_order() -> None:
    with pytest.raises(ValueError, match="got 0"):
        order(0, 0)
