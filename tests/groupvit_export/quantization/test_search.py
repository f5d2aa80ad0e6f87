"""As few layers as the budget asks for are given back, the most sensitive first."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupvit_export.errors import ParityError, UsageError
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.metrics.judge import Quality
from groupvit_export.quantization.search import find_fallback_layers

FP32 = Quality(miou=80.0, agreement=100.0)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=60), st.floats(0.0, 3.0))
def test_no_fewer_layers_would_do(costs: list[float], allowed: float) -> None:
    sensitivity = {f"layer {index}": cost for index, cost in enumerate(costs)}
    budget = LabelBudget(max_miou_drop=100.0, min_agreement=100 - allowed)
    judged: list[int] = []

    def judge(layers: Sequence[str]) -> Quality:
        judged.append(len(layers))
        assert list(layers) == [name for name in sensitivity if name in layers]
        return Quality(80.0, 100 - sum(sensitivity[name] for name in layers))

    ordered = sorted(costs, reverse=True)
    # The definition, tried one after the other; the same sums in the same order of layers.
    names = sorted(sensitivity, key=lambda name: -sensitivity[name])
    enough = next(
        (
            count
            for count in range(len(ordered))
            if budget.holds(judge([name for name in sensitivity if name not in names[:count]]), FP32)
        ),
        None,
    )
    judged.clear()
    if enough is None:
        with pytest.raises(ParityError) as error:
            find_fallback_layers(sensitivity, judge, budget, FP32)
        assert error.value.exit_code == 3
        return
    choice = find_fallback_layers(sensitivity, judge, budget, FP32)
    assert choice.fallback_layers == frozenset(names[:enough])
    assert budget.holds(choice.quality, FP32)
    assert len(judged) == len(set(judged)) <= 2 + 2 * len(costs).bit_length()


def test_both_limits_must_hold() -> None:
    budget = LabelBudget(max_miou_drop=1.0, min_agreement=99.0)
    assert budget.holds(Quality(79.0, 99.0), FP32)
    assert not budget.holds(Quality(78.9, 100.0), FP32)
    assert not budget.holds(Quality(80.0, 98.9), FP32)
    # Label maps may be better against masks than those of fp32.
    assert budget.holds(Quality(81.0, 99.5), FP32)


@pytest.mark.parametrize("wrong", [{"max_miou_drop": -0.1}, {"min_agreement": 101.0}])
def test_percents_are_percents(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        LabelBudget(**wrong)


def test_what_was_tried_is_told() -> None:
    lines: list[str] = []
    find_fallback_layers(
        {"a": 0.0, "b": 5.0},
        lambda layers: Quality(80.0, 95.0 if "b" in layers else 100.0),
        LabelBudget(),
        FP32,
        lines.append,
    )
    assert [line.partition(" layers")[0] for line in lines] == ["2 of 2", "1 of 2"]
    assert "does not hold" in lines[0] and lines[1].endswith("the budget holds")
