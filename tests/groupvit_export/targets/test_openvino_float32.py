"""What decides is float32 in OpenVINO's bf16, for any number of groups, and computes the same."""

from __future__ import annotations

import numpy as np
import onnx
import openvino as ov
import pytest
from bf16 import has_bf16, marked, missing_layers
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from groupvit_export.graph.grouping_attention_function import attach, inlined
from groupvit_export.graph.naming import name_grouping_values
from groupvit_export.targets.openvino.engine import deciding_layers
from groupvit_kernels.grouping_attention_contract import DOMAIN, OP_NAME

MOST_GROUPS = 65
"""One more than the published model's first stage has."""

CHANNELS = 16
OUTPUTS = ("soft_map_1", "assignment_1", "features")


def grouping_graph(groups: int, tokens: int) -> onnx.ModelProto:
    """One grouping block as encoders have it: normalized tokens in, the op, something read of its means."""
    random = np.random.default_rng(groups)
    weights = {
        "scale": np.ones(CHANNELS, np.float32),
        "groups": random.standard_normal((1, groups, CHANNELS), np.float32),
        "to_query": random.standard_normal((CHANNELS, CHANNELS), np.float32),
        "to_bias": random.standard_normal((CHANNELS,), np.float32),
        "to_features": random.standard_normal((CHANNELS, CHANNELS), np.float32),
        "mass_bias": random.standard_normal((CHANNELS,), np.float32),
        "one": np.array(1, np.float32),
        "last": np.array([-1], np.int64),
    }
    nodes = [
        helper.make_node("LayerNormalization", ["x", "scale"], ["tokens"]),
        # As in the model, the groups know of the image.
        helper.make_node("ReduceMean", ["x"], ["mean"], keepdims=1),
        helper.make_node("Add", ["groups", "mean"], ["seen"]),
        helper.make_node("LayerNormalization", ["seen", "scale"], ["normal"]),
        helper.make_node("MatMul", ["normal", "to_query"], ["query"]),
        helper.make_node("MatMul", ["normal", "to_bias"], ["bias"]),
        helper.make_node(
            OP_NAME, ["query", "tokens", "bias"], ["means", "soft", "index", "count"], domain=DOMAIN, eps=1.0
        ),
        helper.make_node("Add", ["count", "one"], ["denominator"]),
        helper.make_node("Div", ["count", "denominator"], ["mass"]),
        helper.make_node("Unsqueeze", ["mass", "last"], ["mass_column"]),
        helper.make_node("Mul", ["mass_column", "mass_bias"], ["shift"]),
        helper.make_node("MatMul", ["means", "to_features"], ["projected"]),
        helper.make_node("Add", ["projected", "shift"], ["features"]),
    ]
    graph = helper.make_graph(
        nodes,
        "grouping",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", tokens, CHANNELS])],
        [
            helper.make_tensor_value_info("soft", TensorProto.FLOAT, ["batch", groups, tokens]),
            helper.make_tensor_value_info("index", TensorProto.INT64, ["batch", tokens]),
            helper.make_tensor_value_info("features", TensorProto.FLOAT, ["batch", groups, CHANNELS]),
        ],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    name_grouping_values(model)
    for value, name in zip(model.graph.output, OUTPUTS, strict=True):
        value.name = name
    attach(model)
    return model


def infer(model: ov.Model, x: NDArray[np.float32], hint: ov.Type) -> list[NDArray[np.generic]]:
    results = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint})(x)
    return [results[name] for name in OUTPUTS]


@pytest.mark.slow
@given(groups=st.integers(1, MOST_GROUPS), tokens=st.integers(1, 40), batch=st.integers(1, 3))
@settings(max_examples=25)
def test_the_marked_graph_is_the_same_function(groups: int, tokens: int, batch: int) -> None:
    plain = grouping_graph(groups, tokens)
    x = np.random.default_rng([groups, tokens, batch]).standard_normal((batch, tokens, CHANNELS), np.float32)
    soft, index, features = ReferenceEvaluator(plain).run(None, {"x": x})
    found_soft, found_index, found_features = infer(marked(plain), x, ov.Type.f32)
    np.testing.assert_allclose(found_soft, soft, atol=1e-5)
    # The two best groups of a token may be as close as the sums are apart.
    best, second = np.sort(soft, axis=1)[:, ::-1][:, :2].swapaxes(0, 1) if groups > 1 else (soft[:, 0], -1)
    clear = best - second > 1e-4
    np.testing.assert_array_equal(found_index[clear], index[clear])
    if clear.all():
        np.testing.assert_allclose(found_features, features, atol=1e-4)


@pytest.mark.parametrize("groups", [*range(1, 10), 63, 64, MOST_GROUPS])
def test_every_deciding_layer_is_a_layer_of_the_engine(groups: int) -> None:
    assert missing_layers(grouping_graph(groups, tokens=49)) == set()


@pytest.mark.parametrize("groups", [1, 9, 64])
def test_counts_beyond_what_bf16_holds_are_a_layer_too(groups: int) -> None:
    """As many tokens as the published model has at 448 pixels."""
    model = grouping_graph(groups, tokens=784)
    assert "grouping_1.count" in deciding_layers(marked(model), stages=1)
    assert missing_layers(model) == set()


def set_weight(model: onnx.ModelProto, name: str, values: NDArray[np.float32]) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(values, name))


@pytest.mark.skipif(not has_bf16(), reason="OpenVINO does not compute in bf16 on this CPU")
@pytest.mark.parametrize("batch", [-1, 1])
def test_logits_of_a_thousand_decide_as_in_float32(batch: int) -> None:
    """bf16 has steps of four there; the logits of these two groups are about one apart."""
    model = grouping_graph(2, tokens=64)
    random = np.random.default_rng(0)
    # What bf16 holds exactly, so that nothing but the op itself is rounded.
    groups = np.repeat(random.integers(-1, 2, (1, 1, CHANNELS)).astype(np.float32), 2, axis=1)
    groups[0, 1, 0] += 1 / 128
    set_weight(model, "groups", groups)
    set_weight(model, "to_query", 256 * random.standard_normal((CHANNELS, CHANNELS), np.float32))
    half = random.standard_normal((1, 32, CHANNELS), np.float32)
    x = np.concatenate([half, -half], axis=1)  # of mean zero: the groups stay what they are
    _, index, _ = ReferenceEvaluator(model).run(None, {"x": x})
    found = {}
    for name, engine in {
        "marked": marked(model),
        "plain": ov.Core().read_model(inlined(model).SerializeToString()),
    }.items():
        engine.reshape([batch, 64, CHANNELS])
        found[name] = int((infer(engine, x, ov.Type.bf16)[1] != index).sum())
    assert found["marked"] == 0 < found["plain"]
