"""Whose turn it is."""

from collections import Counter
from itertools import pairwise

import pytest

from benchmarks.peers.order import order
from benchmarks.peers.timing import WARM_UP, Clock, in_turn, table


@pytest.mark.parametrize("sides", [1, 2, 3, 4, 7, 10])
def test_every_side_has_every_place_and_every_neighbour_equally_often(sides):
    rounds = [order(number, sides) for number in range(2 * sides)]
    assert all(sorted(row) == list(range(sides)) for row in rounds)
    places = Counter((place, side) for row in rounds for place, side in enumerate(row))
    neighbours = Counter(pair for row in rounds for pair in pairwise(row))
    assert set(places.values()) == {2} and len(places) == sides**2
    assert len(neighbours) == sides * (sides - 1) and len(set(neighbours.values())) <= 1


def test_no_side_has_no_order():
    with pytest.raises(ValueError, match="got 0"):
        order(0, 0)


def test_sides_are_called_in_that_order_and_timed_apart():
    called: list[str] = []
    now = 0.0

    def side(name: str, seconds: float):
        def call() -> None:
            nonlocal now
            called.append(name)
            now += seconds

        return call

    sides = {"a": side("a", 0.001), "b": side("b", 0.002), "c": side("c", 0.003)}
    times = in_turn(sides, 6, Clock(now=lambda: now, sleep=lambda _: None))
    turns = called[3 * WARM_UP :]
    assert turns == ["abc"[index] for number in range(6) for index in order(number, 3)]
    assert times == {name: pytest.approx([place + 1] * 6) for place, name in enumerate("abc")}


def test_ratios_are_theirs_over_ours():
    rows = table({"ours-openvino": [10.0] * 5, "ours-onnxruntime": [20.0] * 5, "transformers": [40.0] * 5})
    assert rows["transformers"]["over"] == {
        "ours-openvino": {"ratio": 4.0, "low": 4.0, "high": 4.0},
        "ours-onnxruntime": {"ratio": 2.0, "low": 2.0, "high": 2.0},
    }
    assert set(rows["ours-openvino"]["over"]) == {"ours-onnxruntime"}
