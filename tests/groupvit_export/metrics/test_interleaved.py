"""Whose turn it is, and what is told of calls that take turns."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from groupvit_export.metrics.interleaved import interleaved, order
from groupvit_export.metrics.latency import latencies


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


def test_results_are_in_the_order_of_the_rounds() -> None:
    made: list[str] = []

    def call(name: str) -> int:
        made.append(name)
        return len(made)

    found = interleaved([lambda: call("a"), lambda: call("b")], lambda rounds: rounds < 3)
    assert "".join(made) == "abbaab" and found == [[1, 4, 5], [2, 3, 6]]


def test_latencies_are_medians_of_calls_in_turn() -> None:
    now = 0.0
    made: list[str] = []

    def call(name: str, seconds: float) -> None:
        nonlocal now
        made.append(name)
        now += seconds

    found = latencies([lambda: call("slow", 0.3), lambda: call("fast", 0.1)], clock=lambda: now)
    assert [one.milliseconds for one in found] == pytest.approx([300.0, 100.0])
    assert [one.ratio for one in found] == pytest.approx([1, 1 / 3])
    assert [one.spread for one in found] == pytest.approx([0, 0])
    assert made.count("slow") == made.count("fast")
    # Nobody is called thrice in a row.
    assert all(len(set(made[i : i + 3])) == 2 for i in range(6, len(made) - 2))
