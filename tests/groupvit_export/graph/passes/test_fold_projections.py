"""What `fold_projections` buys: two of the four products on the groups of every grouping block."""

from __future__ import annotations

from collections.abc import Callable

import onnx
import pytest
from tensorrt_layers import count_layers

pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed; it is not made for this system")


@pytest.mark.slow
def test_two_products_of_every_grouping_block_are_gone(graph_with: Callable[..., onnx.ModelProto]) -> None:
    before, after = count_layers(graph_with()), count_layers(graph_with("fold_projections"))
    assert before["MATRIX_MULTIPLY"] - after["MATRIX_MULTIPLY"] == 2 * 2
    assert after.total() < before.total()
