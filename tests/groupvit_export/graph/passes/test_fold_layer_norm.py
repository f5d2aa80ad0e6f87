"""What `fold_layer_norm` buys: LayerNorms without weight and bias."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
from onnx import numpy_helper
from tensorrt_layers import count_layers

GraphWith = Callable[..., onnx.ModelProto]

# Two a layer, two a grouping block, and the last one.
FOLDED = 3 * 2 + 2 * 2 + 1


@pytest.mark.slow
def test_layer_norms_before_a_linear_layer_have_neither_weight_nor_bias(graph_with: GraphWith) -> None:
    def plain(graph: onnx.ModelProto) -> int:
        weights = {tensor.name: tensor for tensor in graph.graph.initializer}
        norms = [node for node in graph.graph.node if node.op_type == "LayerNormalization"]
        return sum(
            len(node.input) == 2 and (numpy_helper.to_array(weights[node.input[1]]) == 1).all()
            for node in norms
        )

    assert plain(graph_with()) == 0
    assert plain(graph_with("fold_layer_norm")) == FOLDED


def test_their_layers_are_gone(graph_with: GraphWith) -> None:
    """TensorRT takes a bias for every LayerNorm, and has a layer to shape it."""
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    before, after = count_layers(graph_with()), count_layers(graph_with("fold_layer_norm"))
    assert before["NORMALIZATION"] == after["NORMALIZATION"]
    assert before.total() - after.total() >= FOLDED
