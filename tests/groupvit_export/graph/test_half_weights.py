"""Weights in 16 bits and tables in 12, against the graph in float32, by ONNX's reference evaluator."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from groupvit_export.errors import ExportError
from groupvit_export.graph.half_weights import with_half_weights

RNG = np.random.default_rng(0)
WORDS = RNG.normal(size=(300, 16)).astype(np.float32)
WORDS[7] = 0
WORDS[8] *= 1000
PLACES = RNG.normal(size=(77, 16)).astype(np.float32)
PRODUCT = RNG.normal(size=(16, 64)).astype(np.float32)
BIAS = RNG.normal(size=64).astype(np.float32)
IDS = np.array([[0, 7, 8, 299], [3, 3, 150, 7]])


def graph(nodes: list[onnx.NodeProto], weights: dict[str, np.ndarray]) -> onnx.ModelProto:
    made = helper.make_graph(
        nodes,
        "text",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["B", "T"])],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, ["B", "T", 64])],
        [numpy_helper.from_array(value, name) for name, value in weights.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)])
    onnx.checker.check_model(model, full_check=True)
    return model


@pytest.fixture
def model() -> onnx.ModelProto:
    nodes = [
        helper.make_node("Gather", ["words", "ids"], ["row"], axis=0),
        helper.make_node("MatMul", ["row", "product"], ["sum"]),
        helper.make_node("Add", ["sum", "bias"], ["out"]),
    ]
    return graph(nodes, {"words": WORDS, "product": PRODUCT, "bias": BIAS})


def test_weights_are_rounded_to_half_and_tables_to_a_step_of_their_row(model: onnx.ModelProto) -> None:
    stored = with_half_weights(model)
    onnx.checker.check_model(stored, full_check=True)
    kinds = {tensor.name: tensor.data_type for tensor in stored.graph.initializer}
    assert kinds == {
        "words.w16.upper": TensorProto.INT8,
        "words.w16.lower": TensorProto.UINT8,
        "words.w16.scale": TensorProto.FLOAT,
        "product.w16": TensorProto.FLOAT16,
        "bias": TensorProto.FLOAT,
        "w16.sixteen": TensorProto.FLOAT,
        "w16.sixteenth": TensorProto.FLOAT,
    }
    assert stored.ByteSize() < 0.51 * model.ByteSize()
    step = np.abs(WORDS).max(axis=1, keepdims=True) / 2047
    rounded = np.rint(WORDS / np.where(step > 0, step, 1)) * step
    (out,) = ReferenceEvaluator(stored).run(None, {"ids": IDS})
    expected = rounded[IDS] @ PRODUCT.astype(np.float16).astype(np.float32) + BIAS
    np.testing.assert_allclose(out, expected, rtol=2e-5, atol=2e-4)
    (plain,) = ReferenceEvaluator(model).run(None, {"ids": IDS})
    assert not np.array_equal(out, plain)


def test_a_table_that_is_multiplied_too_is_a_weight() -> None:
    """Tied to the logits of a language model, for example."""
    nodes = [
        helper.make_node("Gather", ["words", "ids"], ["row"], axis=0),
        helper.make_node("Transpose", ["words"], ["turned"]),
        helper.make_node("MatMul", ["row", "turned"], ["out"]),
    ]
    weights = {"words": PLACES[:64].copy()}
    stored = with_half_weights(graph(nodes, weights))
    assert [tensor.data_type for tensor in stored.graph.initializer] == [TensorProto.FLOAT16]
    (out,) = ReferenceEvaluator(stored).run(None, {"ids": IDS[:, :2]})
    half = weights["words"].astype(np.float16).astype(np.float32)
    np.testing.assert_allclose(out, half[IDS[:, :2]] @ half.T, rtol=1e-5, atol=1e-5)


def test_a_weight_beyond_float16_is_refused(model: onnx.ModelProto) -> None:
    model.graph.initializer[1].CopyFrom(numpy_helper.from_array(PRODUCT * np.float32(1e6), "product"))
    with pytest.raises(ExportError, match=r"beyond the range of float16(.|\n)*product(.|\n)*fp32"):
        with_half_weights(model)
