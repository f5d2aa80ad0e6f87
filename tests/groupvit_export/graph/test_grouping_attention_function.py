"""The ONNX function body against the contract's float64 reference, on evaluators nobody here wrote."""

from __future__ import annotations

import hypothesis
import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx.reference import ReferenceEvaluator

import groupvit_kernels
from groupvit_export.errors import ExportError
from groupvit_export.graph import grouping_attention_function
from groupvit_export.graph.capture import OPSET

_MODEL = """
<ir_version: 10, opset_import: ["" : {opset}, "groupvit" : 1]>
one_node (float[B,G,C] query, float[B,N,C] tokens, float[B,G] bias)
  => (float[B,G,C] means, float[B,G,N] soft, int64[B,N] index, float[B,G] count)
{{
    means, soft, index, count = groupvit.GroupingAttention <eps: float = {eps}> (query, tokens, bias)
}}
"""


def model(opset: int = OPSET, eps: float = 1.0) -> onnx.ModelProto:
    proto = onnx.parser.parse_model(_MODEL.format(opset=opset, eps=eps))
    grouping_attention_function.attach(proto)
    return proto


def onnx_reference(proto: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    return ReferenceEvaluator(proto).run(None, feeds)


def onnx_runtime(proto: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    return onnxruntime.InferenceSession(proto.SerializeToString()).run(None, feeds)


def openvino_cpu(proto: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    core = openvino.Core()
    compiled = core.compile_model(
        core.read_model(grouping_attention_function.inlined(proto).SerializeToString()),
        "CPU",
        {"INFERENCE_PRECISION_HINT": "f32"},
    )
    request = compiled.create_infer_request()
    request.infer(feeds)
    return [request.get_tensor(name).data.copy() for name in ("means", "soft", "index", "count")]


EVALUATORS = [onnx_reference, onnx_runtime, openvino_cpu]


def feeds(seed: int, batch: int, groups: int, length: int, channels: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    shapes = {
        "query": (batch, groups, channels),
        "tokens": (batch, length, channels),
        "bias": (batch, groups),
    }
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("evaluate", EVALUATORS)
@settings(max_examples=12, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    batch=st.integers(1, 3),
    groups=st.integers(1, 9),
    length=st.integers(1, 20),
    channels=st.integers(1, 12),
)
def test_the_body_is_the_contract(evaluate, seed, batch, groups, length, channels) -> None:
    inputs = feeds(seed, batch, groups, length, channels)
    means, soft, index, count = evaluate(model(), inputs)
    expected = groupvit_kernels.grouping_attention(*inputs.values(), eps=1.0)
    np.testing.assert_allclose(soft, expected.soft, atol=1e-5)
    if groups > 1:
        second, first = np.partition(np.log(expected.soft), -2, axis=1)[:, -2:].swapaxes(0, 1)
        hypothesis.assume((first - second).min() > 1e-5)  # float32 may decide a nearer tie otherwise
    np.testing.assert_array_equal(index, expected.index)
    np.testing.assert_array_equal(count, expected.count)
    np.testing.assert_allclose(means, expected.means, atol=1e-5)


@pytest.mark.parametrize("evaluate", EVALUATORS)
def test_ties_go_to_the_lowest_index_and_empty_groups_are_zero(evaluate) -> None:
    inputs = {
        "query": np.zeros((2, 5, 4), np.float32),
        "tokens": np.ones((2, 7, 4), np.float32),
        "bias": np.array([[0, 3, 3, 3, 0], [1, 1, 1, 1, 1]], np.float32),
    }
    means, _, index, count = evaluate(model(), inputs)
    np.testing.assert_array_equal(index, [[1] * 7, [0] * 7])
    np.testing.assert_array_equal(count, [[0, 7, 0, 0, 0], [7, 0, 0, 0, 0]])
    np.testing.assert_array_equal(means[0, [0, 2, 3, 4]], 0.0)
    np.testing.assert_array_equal(means[1, 1:], 0.0)


@pytest.mark.parametrize("evaluate", EVALUATORS)
def test_distinct_logits_that_the_softmax_rounds_together_are_told_apart(evaluate) -> None:
    # The two best logits differ by one unit in the last place; their probabilities are equal.
    high = np.float32(1.0)
    inputs = {
        "query": np.zeros((1, 2, 1), np.float32),
        "tokens": np.ones((1, 1, 1), np.float32),
        "bias": np.array([[high, np.nextafter(high, np.float32(2))]], np.float32),
    }
    _, soft, index, _ = evaluate(model(), inputs)
    assert soft[0, 0, 0] == pytest.approx(soft[0, 1, 0], abs=1e-6)
    assert index.item() == 1


@pytest.mark.parametrize("eps", [1e-6, 0.5, 2.0])
def test_eps_is_read_from_the_node(eps: float) -> None:
    inputs = feeds(0, 1, 3, 9, 4)
    means = onnx_runtime(model(eps=eps), inputs)[0]
    np.testing.assert_allclose(
        means, groupvit_kernels.grouping_attention(*inputs.values(), eps=eps).means, atol=1e-6
    )


def test_nodes_of_several_eps_are_refused() -> None:
    both = onnx.parser.parse_model(_MODEL.format(opset=OPSET, eps=0.5))
    second = both.graph.node.add()
    second.CopyFrom(both.graph.node[0])
    second.attribute[0].f = 2.0
    with pytest.raises(ExportError, match=r"0\.5, 2\.0"):
        grouping_attention_function.attach(both)


@pytest.mark.parametrize("opset", [18, 20, 22])
def test_the_checker_accepts_the_body_at_every_opset(opset: int) -> None:
    onnx.checker.check_model(model(opset), full_check=True)


def test_inlining_leaves_no_function_behind() -> None:
    flat = grouping_attention_function.inlined(model())
    assert not flat.functions
    assert all(node.domain == "" for node in flat.graph.node)
