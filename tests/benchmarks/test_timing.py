"""Sides in turn, and the ratios of their times."""

import pytest

from benchmarks.peers.sides import BUNDLES
from benchmarks.timing import WARM_UP, Clock, milliseconds, table
from groupvit_export.metrics.interleaved import order


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
    times = milliseconds(sides, 6, clock=Clock(now=lambda: now, sleep=lambda _: None))
    turns = called[3 * WARM_UP :]
    assert turns == ["abc"[index] for number in range(6) for index in order(number, 3)]
    assert times == {name: pytest.approx([place + 1] * 6) for place, name in enumerate("abc")}


def test_ratios_are_theirs_over_ours():
    rows = table(
        {"ours-openvino": [10.0] * 5, "ours-onnxruntime": [20.0] * 5, "transformers": [40.0] * 5}, BUNDLES
    )
    assert rows["transformers"]["over"] == {
        "ours-openvino": {"ratio": 4.0, "low": 4.0, "high": 4.0},
        "ours-onnxruntime": {"ratio": 2.0, "low": 2.0, "high": 2.0},
    }
    assert set(rows["ours-openvino"]["over"]) == {"ours-onnxruntime"}


def test_rounds_of_several_calls_are_one_row():
    rows = table(
        {"ours-openvino": [[10.0, 12.0], [11.0, 11.0]], "transformers": [[40.0, 44.0], [44.0, 48.0]]}, BUNDLES
    )
    assert (rows["ours-openvino"]["median_ms"], rows["transformers"]["median_ms"]) == (11.0, 44.0)
    assert rows["transformers"]["over"]["ours-openvino"]["ratio"] == 4.0
