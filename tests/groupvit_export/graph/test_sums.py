"""The product of the logits as sums, for any number of groups: the same values, layers of the same names."""

from __future__ import annotations

import numpy as np
import onnx
import openvino as ov
import pytest
from bf16 import missing_layers
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from groupvit_export.graph.grouping_attention_function import attach, inlined
from groupvit_export.graph.matmul_to_mul_reduce import GROUPS_AT_ONCE, matmul_to_mul_reduce
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


def outputs_of(model: onnx.ModelProto, x: NDArray[np.float32]) -> list[NDArray[np.generic]]:
    return list(ReferenceEvaluator(model).run(None, {"x": x}))


@given(groups=st.integers(1, MOST_GROUPS), tokens=st.integers(1, 40), batch=st.integers(1, 3))
def test_sums_are_the_products(groups: int, tokens: int, batch: int) -> None:
    plain = inlined(grouping_graph(groups, tokens))
    summed = matmul_to_mul_reduce(plain)
    onnx.checker.check_model(summed, full_check=True)
    x = np.random.default_rng([groups, tokens, batch]).standard_normal((batch, tokens, CHANNELS), np.float32)
    soft, index, features = outputs_of(plain, x)
    summed_soft, summed_index, summed_features = outputs_of(summed, x)
    np.testing.assert_allclose(summed_soft, soft, atol=1e-5)
    # The two best groups of a token may be as close as the sums are apart.
    best, second = np.sort(soft, axis=1)[:, ::-1][:, :2].swapaxes(0, 1) if groups > 1 else (soft[:, 0], -1)
    clear = best - second > 1e-4
    np.testing.assert_array_equal(summed_index[clear], index[clear])
    if clear.all():
        np.testing.assert_allclose(summed_features, features, atol=1e-4)


@pytest.mark.parametrize("groups", range(1, MOST_GROUPS + 1))
def test_every_deciding_layer_is_a_layer_of_the_engine(groups: int) -> None:
    assert missing_layers(grouping_graph(groups, tokens=49)) == set()


@pytest.mark.parametrize("groups", [1, GROUPS_AT_ONCE, GROUPS_AT_ONCE + 1, 64])
def test_counts_beyond_what_bf16_holds_are_a_layer_too(groups: int) -> None:
    """As many tokens as the published model has at 448 pixels."""
    model = grouping_graph(groups, tokens=784)
    converted = ov.Core().read_model(inlined(model).SerializeToString())
    assert "grouping_1.count" in deciding_layers(converted, stages=1)
    assert missing_layers(model) == set()


@pytest.mark.parametrize("groups", range(1, MOST_GROUPS + 1))
def test_parts_are_joined_only_where_there_are_several(groups: int) -> None:
    summed = matmul_to_mul_reduce(inlined(grouping_graph(groups, tokens=4)))
    added = [node.op_type for node in summed.graph.node if node.name.startswith("products__1")]
    parts = -(-groups // GROUPS_AT_ONCE)
    assert added.count("ReduceSum") == parts
    assert added.count("Split") == added.count("Concat") == (parts > 1)
