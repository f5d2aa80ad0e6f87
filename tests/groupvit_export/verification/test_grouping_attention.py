"""The op by itself: its cases are what they claim, right ops pass, wrong ones do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groupvit_export.targets.inspection import Missing, MissingPart
from groupvit_export.verification.checks.grouping_attention import (
    OperatorCase,
    compare_operator,
    operator_cases,
)
from groupvit_export.verification.isolate import isolate
from groupvit_kernels import grouping_attention_torch
from groupvit_kernels.grouping_attention_reference import grouping_attention
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.open_bundle import open_bundle

EPS = 1.0
SHAPE = (24, 196, 128)


def run(case: OperatorCase) -> dict[str, np.ndarray]:
    inputs = (torch.from_numpy(x) for x in (case.query, case.tokens, case.bias))
    values = grouping_attention_torch.grouping_attention(*inputs, EPS)
    return {name: v.numpy() for name, v in zip(("means", "soft", "index", "count"), values, strict=True)}


def case_called(name: str, shape: tuple[int, int, int] = SHAPE) -> OperatorCase:
    return next(case for case in operator_cases(*shape) if name in case.name)


def logits(case: OperatorCase) -> np.ndarray:
    query, tokens, bias = (x.astype(np.float64) for x in (case.query, case.tokens, case.bias))
    return query @ tokens.transpose(0, 2, 1) + bias[:, :, None]


@pytest.mark.parametrize("name", ["ties", "duplicated"])
def test_there_really_are_ties_for_the_first_place(name: str) -> None:
    values = logits(case_called(name))
    tied = (values == values.max(axis=1, keepdims=True)).sum(axis=1) > 1
    assert tied.mean() > 0.5


def test_one_group_takes_all_and_the_others_are_exactly_empty() -> None:
    case = case_called("takes all")
    outputs = run(case)
    assert sorted(outputs["count"][0])[-1] == SHAPE[1]
    empty = outputs["count"][0] == 0
    assert empty.sum() == SHAPE[0] - 1 and (outputs["means"][0][empty] == 0).all()


def test_margins_are_of_all_sizes() -> None:
    values = np.sort(logits(case_called("margins")), axis=1)
    margin = np.log10(values[:, -1] - values[:, -2])
    counts, _ = np.histogram(margin, bins=[-8, -6, -4.5, -3, -1.5, 1])
    assert (counts > SHAPE[1] // 10).all(), counts


def test_logits_are_beyond_half_precision() -> None:
    assert np.abs(logits(case_called("thousands"))).max() > 2000


@settings(max_examples=15)
@given(st.integers(1, 9), st.integers(1, 40), st.integers(1, 24))
def test_exact_cases_are_exact_in_float32(groups: int, tokens: int, channels: int) -> None:
    for case in operator_cases(groups, tokens, channels):
        if case.exact:
            query, items, bias = case.query, case.tokens, case.bias
            single = query @ items.transpose(0, 2, 1) + bias[:, :, None]
            np.testing.assert_array_equal(single.astype(np.float64), logits(case))


@settings(max_examples=15)
@given(st.integers(1, 9), st.integers(1, 40), st.integers(1, 24))
def test_pytorch_is_right_on_any_shape(groups: int, tokens: int, channels: int) -> None:
    for case in operator_cases(groups, tokens, channels):
        scale = max(1.0, float(np.abs(logits(case)).max()))
        found = compare_operator(case, run(case), EPS, budget=1e-5 * scale)
        assert found.safe_flips == ()
        assert found.means_error[0] < 1e-4 and found.count_error[0] == 0
        assert found.soft_error[0] < 1e-3


def highest_on_ties(case: OperatorCase) -> dict[str, np.ndarray]:
    outputs = run(case)
    flipped = logits(case)[:, ::-1].argmax(axis=1)
    index = case.query.shape[1] - 1 - flipped
    hard = (index[:, None] == np.arange(case.query.shape[1])[None, :, None]).astype(np.float64)
    count = hard.sum(axis=2)
    return outputs | {
        "index": index,
        "count": count,
        "means": hard @ case.tokens / (count + EPS)[..., None],
    }


def both_groups_on_ties(case: OperatorCase) -> dict[str, np.ndarray]:
    """Reduce-max and compare: a tied token is counted twice."""
    outputs = run(case)
    values = logits(case)
    hard = (values == values.max(axis=1, keepdims=True)).astype(np.float64)
    count = hard.sum(axis=2)
    return outputs | {"count": count, "means": hard @ case.tokens / (count + EPS)[..., None]}


def no_shrinking(case: OperatorCase) -> dict[str, np.ndarray]:
    outputs = run(case)
    count = np.maximum(outputs["count"], 1)
    factor = (outputs["count"] + EPS) / count
    return outputs | {"means": outputs["means"] * factor[..., None]}


def stale_memory(case: OperatorCase) -> dict[str, np.ndarray]:
    """An empty group's means are never written."""
    outputs = run(case)
    outputs["means"][outputs["count"] == 0] = np.nan
    return outputs


@pytest.mark.parametrize(
    ("wrong", "name", "figure"),
    [
        (highest_on_ties, "ties", "safe_flips"),
        (highest_on_ties, "duplicated", "safe_flips"),
        (both_groups_on_ties, "ties", "count_error"),
        (no_shrinking, "margins", "means_error"),
        (stale_memory, "takes all", "means_error"),
    ],
)
def test_wrong_ops_do_not_pass(
    wrong: Callable[[OperatorCase], dict[str, np.ndarray]], name: str, figure: str
) -> None:
    case = case_called(name)
    found = compare_operator(case, wrong(case), EPS, budget=1e-4)
    value = getattr(found, figure)
    assert value if figure == "safe_flips" else value[0] > 1e-3


def test_the_op_is_cut_out_of_every_engine(demo_bundle: Path, tmp_path: Path) -> None:
    opened = open_bundle(demo_bundle)
    info = opened.manifest.engine("image")
    groupings = isolate(info, opened.root, 2, tmp_path, EngineOptions())
    assert not isinstance(groupings, str)
    for shape, grouping in zip([(24, 196, 128), (12, 24, 128)], groupings, strict=True):
        for case in operator_cases(*shape):
            outputs = grouping(case.query, case.tokens, case.bias)
            truth = grouping_attention(case.query, case.tokens, case.bias, EPS)
            assert outputs["index"].dtype == np.int64
            if case.exact:
                np.testing.assert_array_equal(outputs["index"], truth.index)
                np.testing.assert_array_equal(outputs["count"], truth.count)


def test_a_file_without_the_op_says_so(demo_bundles: Mapping[str, Path], tmp_path: Path) -> None:
    opened = open_bundle(demo_bundles["onnx"])
    text = opened.manifest.engine("text")
    assert isolate(text, opened.root, 2, tmp_path, EngineOptions()) == Missing(MissingPart.GROUPING_NODE)
    opened = open_bundle(demo_bundles["openvino"])
    text = opened.manifest.engine("text")
    missing = isolate(text, opened.root, 2, tmp_path, EngineOptions())
    assert isinstance(missing, Missing) and missing.part is MissingPart.TENSORS and missing.names
