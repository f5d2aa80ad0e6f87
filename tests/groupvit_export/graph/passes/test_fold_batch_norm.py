"""What `fold_batch_norm` buys: two scalings, and in half precision the casts around them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import onnx
import pytest
from tensorrt_layers import count_layers

from groupvit_export.graph.precision import in_precision

GraphWith = Callable[..., onnx.ModelProto]


@pytest.mark.slow
def test_two_scalings_are_gone(graph_with: GraphWith) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    before, after = count_layers(graph_with()), count_layers(graph_with("fold_batch_norm"))
    assert (before["SCALE"], after["SCALE"]) == (2, 0)
    assert after.total() <= before.total() - 2


def test_the_projection_stays_in_half_precision(graph_with: GraphWith) -> None:
    def casts(*names: str) -> int:
        model = in_precision(graph_with(*names), "bf16").model
        return Counter(node.op_type for node in model.graph.node)["Cast"]

    assert casts() - casts("fold_batch_norm") == 2 * 2
