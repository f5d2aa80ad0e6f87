"""Layers go in and out of int8, and all of them together are what NNCF made of the graph."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import parser

from groupvit_export.errors import ExportError
from groupvit_export.graph.grouping_attention_function import attach, inlined
from groupvit_export.quantization.calibrate import quantize
from groupvit_export.quantization.image import kept_in_float
from groupvit_export.quantization.layers import QuantizedGraph
from groupvit_export.quantization.sensitivity import sensitivities

pytest.importorskip("nncf")

_C = 16
_GRAPH = f"""
<ir_version: 9, opset_import: ["" : 20, "groupvit" : 1]>
graph (float[batch, 3, 4, {_C}] pixel_values) => (float[batch, 8, {_C}] masks, int64[batch, 12] assignment_1)
{{
    shape = Constant <value_ints: ints = [0, 12, {_C}]> ()
    flat = Reshape (pixel_values, shape)
    normed = LayerNormalization <axis: int = -1> (flat, gamma, beta)
    first = MatMul (normed, w1)
    biased = Add (first, b1)
    active = Gelu (biased)
    second = MatMul (active, w2)
    tokens = LayerNormalization <axis: int = -1> (second, gamma, beta)
    mixed = MatMul (mixer, tokens)
    query = LayerNormalization <axis: int = -1> (mixed, gamma, beta)
    bias = ReduceMean <keepdims: int = 0> (query, last)
    means, soft_map_1, assignment_1, count =
        groupvit.GroupingAttention <eps: float = 1.0> (query, tokens, bias)
    masks = MatMul (means, w3)
}}
"""


@pytest.fixture(scope="module")
def plain() -> onnx.ModelProto:
    random = np.random.default_rng(3)
    model = parser.parse_model(_GRAPH)
    weights = {
        # Channels of very different sizes, so that smoothing has something to do.
        "gamma": np.geomspace(0.05, 20, _C),
        "beta": random.normal(size=_C),
        "w1": random.normal(size=(_C, 2 * _C)) / _C,
        "b1": random.normal(size=2 * _C),
        "w2": random.normal(size=(2 * _C, _C)),
        "w3": random.normal(size=(_C, _C)),
        "mixer": random.normal(size=(8, 12)),
    }
    for name, value in weights.items():
        model.graph.initializer.append(onnx.numpy_helper.from_array(value.astype(np.float32), name))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([-1], np.int64), "last"))
    for index, node in enumerate(model.graph.node):
        node.name = f"node_{index}_{node.op_type}"
    attach(model)
    onnx.checker.check_model(model, full_check=True)
    return model


def _inputs(count: int = 6) -> list[np.ndarray]:
    random = np.random.default_rng(4)
    return [random.normal(size=(1, 3, 4, _C)).astype(np.float32) for _ in range(count)]


def _feed(pixel_values: np.ndarray) -> dict[str, np.ndarray]:
    return {"pixel_values": pixel_values}


@pytest.fixture(scope="module")
def graphs(plain: onnx.ModelProto) -> QuantizedGraph:
    return quantize(
        plain, _inputs(), _feed, kept_in_float(plain, weight_bits=8), symmetric=False, weight_bits=8
    )


def _run(model: onnx.ModelProto) -> Mapping[str, np.ndarray]:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = ["masks", "assignment_1"]
    runs = [session.run(names, {"pixel_values": value}) for value in _inputs()]
    return {name: np.concatenate(values) for name, values in zip(names, zip(*runs, strict=True), strict=True)}


def _types(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def test_layers_are_the_products_that_may_be_quantized(graphs: QuantizedGraph) -> None:
    # Not the mixer, whose weights come first, nor the grouping attention and what follows it at once.
    assert [name.split("_")[1] for name in graphs.layers] == ["3", "6"]


def test_none_is_the_captured_graph(graphs: QuantizedGraph, plain: onnx.ModelProto) -> None:
    assert graphs.choose([]).SerializeToString() == plain.SerializeToString()


def test_all_are_what_nncf_made(graphs: QuantizedGraph, plain: onnx.ModelProto) -> None:
    chosen = graphs.choose(graphs.layers)
    onnx.checker.check_model(chosen, full_check=True)
    # The grouping attention is still one node, and float32 goes into it.
    assert _types(chosen).count("GroupingAttention") == 1
    ours, theirs, exact = _run(chosen), _run(graphs.quantized), _run(plain)
    np.testing.assert_allclose(ours["masks"], theirs["masks"], rtol=0, atol=1e-4)
    np.testing.assert_array_equal(ours["assignment_1"], theirs["assignment_1"])
    assert np.abs(ours["masks"] - exact["masks"]).max() > 1e-3


def test_smoothing_is_folded_into_the_layer_norm(graphs: QuantizedGraph) -> None:
    first, norm = graphs.layers[0], "LayerNormalization"
    alone = graphs.choose([first])
    assert "Mul" in _types(graphs.quantized)
    assert "Mul" not in _types(alone)
    assert _types(alone).count(norm) == _types(graphs.plain).count(norm)


@pytest.mark.parametrize("index", range(2))
def test_one_layer_alone_is_quantized(graphs: QuantizedGraph, plain: onnx.ModelProto, index: int) -> None:
    model = graphs.choose([graphs.layers[index]])
    onnx.checker.check_model(model, full_check=True)
    # Its activations are quantized and dequantized once; its weights lie in int8.
    assert _types(model).count("QuantizeLinear") == 1
    assert _types(model).count("DequantizeLinear") == 2
    assert (
        sum(t.data_type == onnx.TensorProto.INT8 and len(t.dims) == 2 for t in model.graph.initializer) == 1
    )
    assert np.abs(_run(model)["masks"] - _run(plain)["masks"]).max() > 0


_SHARED = f"""
<ir_version: 9, opset_import: ["" : 20]>
graph (float[batch, 3, 4, {_C}] pixel_values) => (float[batch, 3, 4, {_C}] once, float[batch, 4, {_C}] again)
{{
    once = MatMul (pixel_values, w)
    mean = ReduceMean <keepdims: int = 0> (pixel_values, first)
    again = MatMul (mean, w)
}}
"""


@pytest.mark.parametrize("symmetric", [False, True])
def test_onnxruntime_loads_two_layers_of_one_weight(symmetric: bool) -> None:
    """As of the visual projection, which sees groups and the pooled image."""
    model = parser.parse_model(_SHARED)
    weights = np.random.default_rng(5).normal(size=(_C, _C)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weights, "w"))
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([1], np.int64), "first"))
    for index, node in enumerate(model.graph.node):
        node.name = f"node_{index}_{node.op_type}"
    graphs = quantize(model, _inputs(), _feed, {}, symmetric=symmetric, weight_bits=8)
    assert len(graphs.layers) == 2
    options = ort.SessionOptions()
    options.add_session_config_entry("session.x64quantprecision", "1")
    ort.InferenceSession(graphs.choose(graphs.layers).SerializeToString(), options)


def test_what_is_no_layer_cannot_be_chosen(graphs: QuantizedGraph) -> None:
    with pytest.raises(KeyError):
        graphs.choose(["node_8_MatMul"])


def test_a_graph_without_layers_is_refused(plain: onnx.ModelProto) -> None:
    with pytest.raises(ExportError, match="no layer"):
        QuantizedGraph.of(plain, inlined(plain))


def test_sensitivity_is_measured_layer_by_layer(graphs: QuantizedGraph) -> None:
    shares: list[float] = []

    def segment(run: object) -> dict[str, np.ndarray]:
        assert callable(run)
        maps = {}
        for index, value in enumerate(_inputs()):
            # A class map that hangs on small differences.
            maps[str(index)] = (np.abs(run(value)["masks"][0]) * 1e3).astype(np.uint64).astype(np.uint16)
        return maps

    found = sensitivities(graphs, _feed, segment, shares.append)
    assert list(found) == list(graphs.layers)
    assert all(0 < value <= 100 for value in found.values())
    assert shares == sorted(shares) and shares[-1] == 1.0


def test_the_same_graph_twice(plain: onnx.ModelProto, graphs: QuantizedGraph) -> None:
    again = quantize(
        plain, _inputs(), _feed, kept_in_float(plain, weight_bits=8), symmetric=False, weight_bits=8
    )
    assert again.choose(again.layers).SerializeToString() == graphs.choose(graphs.layers).SerializeToString()
