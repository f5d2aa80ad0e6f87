"""Counting against graphs that were counted by hand."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from benchmarks.roofline import Ceiling, Work, bounds, count_work


def _graph(nodes, inputs, outputs, weights=()):
    graph = helper.make_graph(
        nodes,
        "counted",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs],
        [onnx.numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize("batch", [1, 8])
def test_a_product_with_a_weight(batch):
    model = _graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])], {"x": ["batch", 3, 5]}, ["y"], [("w", (5, 7))]
    )
    assert count_work(model, batch) == Work(2 * batch * 3 * 5 * 7, 4 * (5 * 7 + batch * (3 * 5 + 3 * 7)))


def test_a_product_of_two_stacks_inside_the_graph():
    # The product's result is no output, and its second factor comes from a Transpose.
    nodes = [
        helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]),
        helper.make_node("MatMul", ["x", "t"], ["s"]),
        helper.make_node("ReduceSum", ["s"], ["y"], keepdims=0),
    ]
    work = count_work(_graph(nodes, {"x": ["batch", 4, 6]}, ["y"]), 2)
    assert work == Work(2 * 2 * 4 * 6 * 4, 4 * (2 * 4 * 6 + 1))


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm(transposed):
    shape = [6, 4] if transposed else [4, 6]
    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], transA=transposed)
    work = count_work(_graph([node], {"x": shape}, ["y"], [("w", (6, 9)), ("b", (9,))]), 1)
    assert work == Work(2 * 4 * 6 * 9, 4 * (4 * 6 + 6 * 9 + 9 + 4 * 9))


def test_a_convolution_of_patches_and_one_in_groups():
    patches = helper.make_node("Conv", ["x", "w"], ["y"], strides=[16, 16])
    model = _graph([patches], {"x": ["batch", 3, 32, 48]}, ["y"], [("w", (10, 3, 16, 16))])
    assert count_work(model, 8).operations == 2 * 8 * (2 * 3) * 10 * 3 * 16 * 16
    grouped = helper.make_node("Conv", ["x", "w"], ["y"], group=2)
    model = _graph([grouped], {"x": [1, 4, 3, 3]}, ["y"], [("w", (6, 2, 1, 1))])
    assert count_work(model, 1).operations == 2 * (6 * 9) * 2


def test_shapes_that_the_graph_computes():
    nodes = [
        helper.make_node("Shape", ["x"], ["all"]),
        helper.make_node("Concat", ["two", "all"], ["longer"], axis=0),
        helper.make_node("Expand", ["x", "longer"], ["many"]),
        helper.make_node("MatMul", ["many", "w"], ["y"]),
    ]
    model = _graph(nodes, {"x": ["batch", 5]}, ["y"], [("w", (5, 7))])
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array([2]), "two"))
    assert count_work(model, 3).operations == 2 * (2 * 3) * 5 * 7


def test_what_is_not_counted_is_refused():
    node = helper.make_node("Einsum", ["x", "x"], ["y"], equation="ij,kj->ik")
    with pytest.raises(ValueError, match="Einsum"):
        count_work(_graph([node], {"x": [2, 2]}, ["y"]), 1)


def test_a_free_axis_other_than_the_batch_is_refused():
    node = helper.make_node("Relu", ["x"], ["y"])
    with pytest.raises(ValueError, match="free axis"):
        count_work(_graph([node], {"x": ["batch", "n"]}, ["y"]), 1)


def test_the_bound_is_the_longer_of_the_two():
    ceiling = Ceiling(operations_per_s=1e12, bytes_per_s=1e10)
    assert ceiling.bound_s(Work(10**9, 10**6)) == pytest.approx(1e-3)
    assert ceiling.bound_s(Work(10**9, 10**8)) == pytest.approx(1e-2)
    row = bounds(Work(10**9, 10**8), ceiling, {"ours-openvino": 20.0})
    assert (row["bound_ms"], row["bound_by"]) == (10.0, "memory")
    assert row["engines"]["ours-openvino"]["share_percent"] == 50.0
    # Rounded otherwise than the bound itself, these figures once came out as the other kind.
    found = bounds(Work(7_830_000_000, 124_000_000), Ceiling(0.2017e12, 38.71e9), {})
    assert found["bound_by"] == "arithmetic" and found["bound_ms"] == found["compute_ms"]
