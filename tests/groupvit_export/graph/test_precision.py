"""The typed graph: what is half, what stays float32, and what its numbers are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import onnxruntime
import pytest
from margins import clear_tokens
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from groupvit_export.checkpoint.load import build_model, load_checkpoint
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.errors import ExportError, UsageError
from groupvit_export.graph.capture import capture_image_encoder
from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.grouping_attention_function import inlined
from groupvit_export.graph.half_rounding import emulate_half_rounding
from groupvit_export.graph.precision import FLOAT32_RULES, HALVES, in_precision

DTYPES = {"fp16": np.dtype(np.float16), "bf16": np.dtype(ml_dtypes.bfloat16)}


@pytest.fixture(scope="module")
def graphs(demo_bundles: Mapping[str, Path]) -> dict[str, onnx.ModelProto]:
    return {role: onnx.load(demo_bundles["onnx"] / f"{role}.onnx") for role in ("image", "text")}


@pytest.fixture(params=HALVES)
def precision(request: pytest.FixtureRequest) -> str:
    return request.param


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model).graph
    values = [*inferred.value_info, *inferred.input, *inferred.output]
    types = {value.name: value.type.tensor_type.elem_type for value in values}
    return types | {tensor.name: tensor.data_type for tensor in model.graph.initializer}


@pytest.mark.parametrize("role", ["image", "text"])
def test_it_is_a_valid_graph_with_the_same_interface(graphs, role: str, precision: str) -> None:
    before = graphs[role].SerializeToString()
    typed = in_precision(graphs[role], precision).model
    onnx.checker.check_model(typed, full_check=True)
    assert graphs[role].SerializeToString() == before
    assert typed.graph.input == graphs[role].graph.input
    assert typed.graph.output == graphs[role].graph.output
    assert typed.functions == graphs[role].functions


@pytest.mark.parametrize("role", ["image", "text"])
def test_every_product_is_half_unless_it_is_kept(graphs, role: str, precision: str) -> None:
    typed = in_precision(graphs[role], precision)
    types, half = types_of(typed.model), HALVES[precision].onnx_type
    for node in typed.model.graph.node:
        if node.op_type in ("MatMul", "Gemm", "Conv", "Softmax", "Gelu"):
            wanted = TensorProto.FLOAT if node.name in typed.kept else half
            assert {types[name] for name in node.input} == {wanted}, node.name
    size = sum(tensor.ByteSize() for tensor in typed.model.graph.initializer)
    assert size < 0.62 * sum(tensor.ByteSize() for tensor in graphs[role].graph.initializer)


def test_what_decides_is_float32(graphs, precision: str) -> None:
    typed = in_precision(graphs["image"], precision)
    types = types_of(typed.model)
    for stage in (1, 2):
        for name in ("query", "tokens", "bias", "means", "count"):
            assert types[f"grouping_{stage}.{name}"] == TensorProto.FLOAT
    kept = {node.name: node for node in typed.model.graph.node if node.name in typed.kept}
    for node in kept.values():
        floats = {types[name] for name in node.input if types.get(name) in (1, 10, 16)}
        assert floats <= {TensorProto.FLOAT}, node.name
    by_type = {node.op_type for node in kept.values()}
    assert {"GroupingAttention", "LayerNormalization"} <= by_type
    cosines = [kept[name].op_type for name, reason in typed.kept.items() if reason == "cosine normalization"]
    assert sorted(cosines) == ["Div"] * 2 + ["Mul"] * 2 + ["ReduceSum"] * 2 + ["Sqrt"] * 2


def test_every_node_that_is_kept_has_one_of_the_reasons(graphs, precision: str) -> None:
    typed = in_precision(graphs["image"], precision)
    names = [node.name for node in graphs["image"].graph.node if node.name in typed.kept]
    assert list(typed.kept) == names
    reasons = {island.reason for island in FLOAT32_RULES}
    assert set(typed.kept.values()) <= reasons
    assert ("ONNX has no such operator in this type" in typed.kept.values()) == (precision == "bf16")


def test_no_value_is_cast_twice_or_for_nobody(graphs, precision: str) -> None:
    for graph in graphs.values():
        typed = in_precision(graph, precision).model
        casts = [node for node in typed.graph.node if node.name.startswith("cast_")]
        keys = [(node.input[0], node.attribute[0].i) for node in casts]
        assert len(keys) == len(set(keys))
        read = {name for node in typed.graph.node for name in node.input}
        read |= {value.name for value in typed.graph.output}
        assert all(node.output[0] in read for node in casts)


def test_fp32_is_the_graph_itself(graphs) -> None:
    typed = in_precision(graphs["image"], "fp32")
    assert typed.model is graphs["image"] and not typed.kept


def test_an_unknown_precision_says_what_there_is(graphs) -> None:
    with pytest.raises(UsageError, match=r"int8(.|\n)*fp32, fp16, bf16"):
        in_precision(graphs["image"], "int8")


def test_a_weight_beyond_the_range_is_refused(graphs) -> None:
    model = onnx.ModelProto()
    model.CopyFrom(graphs["text"])
    tensor = next(t for t in model.graph.initializer if t.name.endswith("fc1.bias"))
    array = numpy_helper.to_array(tensor).copy()
    array[0] = 1e6
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    with pytest.raises(ExportError, match=rf"{tensor.name} reaches 1e\+06(.|\n)*--precision bf16"):
        in_precision(model, "fp16")
    in_precision(model, "bf16")


def run(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def test_the_mask_of_the_text_encoder_survives(graphs, precision: str) -> None:
    ids = np.array([[1, 7, 9, 2, 2, 2], [1, 5, 6, 7, 8, 2]])
    twin = emulate_half_rounding(in_precision(graphs["text"], precision).model)
    found = run(twin, {"input_ids": ids})["text_embeds"]
    truth = run(graphs["text"], {"input_ids": ids})["text_embeds"]
    assert np.isfinite(found).all()
    assert np.abs(found - truth).max() < {"fp16": 0.02, "bf16": 0.1}[precision] * np.abs(truth).max()


def one_node(op_type: str, half: int, shapes: list[list[int]]) -> onnx.ModelProto:
    """Float32 inputs, cast to half, one operator, cast back."""
    names = [f"x{index}" for index in range(len(shapes))]
    nodes = [helper.make_node("Cast", [name], [f"{name}h"], to=half) for name in names]
    nodes.append(helper.make_node(op_type, [f"{name}h" for name in names], ["yh"], name="op"))
    nodes.append(helper.make_node("Cast", ["yh"], ["y"], to=TensorProto.FLOAT))
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in zip(names, shapes, strict=True)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize("op_type", ["MatMul", "Add", "Mul", "Softmax"])
def test_the_twin_rounds_as_the_type_says(op_type: str, precision: str) -> None:
    shapes = [[3, 8, 16], [3, 16, 8]] if op_type == "MatMul" else [[3, 8, 8], [3, 8, 8]]
    model = one_node(op_type, HALVES[precision].onnx_type, shapes[: 1 if op_type == "Softmax" else 2])
    random, dtype = np.random.default_rng(0), DTYPES[precision]
    feeds = {f"x{i}": random.normal(size=s).astype(np.float32) for i, s in enumerate(shapes)}
    feeds = {value.name: feeds[value.name] for value in model.graph.input}
    halves = [value.astype(dtype).astype(np.float32) for value in feeds.values()]
    if op_type == "Softmax":
        powers = np.exp(halves[0] - halves[0].max(-1, keepdims=True))
        wide = powers / powers.sum(-1, keepdims=True)
    else:
        wide = {"MatMul": np.matmul, "Add": np.add, "Mul": np.multiply}[op_type](*halves)
    found = run(emulate_half_rounding(model), feeds)["y"]
    assert np.array_equal(found, found.astype(dtype).astype(np.float32)), "every value is one of the type"
    # A last bit of float32 may tip a value over to its neighbor.
    step = np.abs(wide) * float(ml_dtypes.finfo(dtype).eps)
    assert (np.abs(found - wide.astype(dtype).astype(np.float32)) <= step).all()
    assert np.mean(found == wide.astype(dtype).astype(np.float32)) > 0.99


def test_the_twin_overflows_as_float16_does() -> None:
    model = one_node("Add", TensorProto.FLOAT16, [[2], [2]])
    feeds = {"x0": np.array([6e4, 1.0], np.float32), "x1": np.array([6e4, 1.0], np.float32)}
    assert run(emulate_half_rounding(model), feeds)["y"].tolist() == [np.inf, 2.0]


@pytest.mark.slow
def test_onnx_own_evaluator_computes_the_same_float16() -> None:
    """The typed graph as it is, by somebody else: the twin is as far from float32 as that, and near it."""
    encoder = ImageEncoder(build_model(load_checkpoint(DEMO_CHECKPOINT)), (32, 32))
    graph = capture_image_encoder(encoder)
    feeds = {"pixel_values": np.random.default_rng(32).normal(size=(1, 3, 32, 32)).astype(np.float32)}
    whole = in_precision(graph, "fp16")
    # Captured without passes, so that BatchNorms are there.
    kinds = {node.op_type for node in graph.graph.node if node.name in whole.kept}
    assert {"BatchNormalization", "LayerNormalization"} <= kinds
    typed = whole.model
    names = [output.name for output in graph.graph.output]
    theirs = dict(zip(names, ReferenceEvaluator(typed).run(None, feeds), strict=True))
    ours, truth = run(emulate_half_rounding(typed), feeds), run(inlined(graph), feeds)
    # Each sums in an order of its own: no token may stand where that decides.
    assert all(clear_tokens(truth[n], margin=0.05).all() for n in ("soft_map_1", "soft_map_2"))
    assert all(np.array_equal(ours[n], theirs[n]) for n in ("assignment_1", "assignment_2"))
    for name in ("soft_map_1", "group_embeds", "image_embeds", "masks"):
        noise = np.abs(theirs[name] - truth[name]).max()
        assert 0 < noise < 0.05
        assert np.abs(ours[name] - truth[name]).max() < 3 * noise
