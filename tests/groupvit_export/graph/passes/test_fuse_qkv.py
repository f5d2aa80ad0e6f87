"""What `fuse_qkv` buys: fewer products, and int8 products that ONNX Runtime recognizes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from tensorrt_layers import count_layers

from groupvit_export.graph.grouping_attention_function import inlined
from groupvit_export.quantization.calibrate import quantize
from groupvit_export.quantization.image import kept_in_float

GraphWith = Callable[..., onnx.ModelProto]


def test_query_key_and_value_are_one_product(graph_with: GraphWith) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    before, after = count_layers(graph_with()), count_layers(graph_with("fuse_qkv"))
    # Three layers of three, and two grouping blocks that join key and value.
    assert before["MATRIX_MULTIPLY"] - after["MATRIX_MULTIPLY"] == 3 * 2 + 2
    assert before["SHUFFLE"] - after["SHUFFLE"] > 3 * 2 + 2
    assert after.total() < before.total()


@pytest.mark.slow
def test_onnx_runtime_recognizes_all_quantized_products(graph_with: GraphWith, tmp_path: Path) -> None:
    """It recognizes one only where nothing else reads the dequantized input."""
    pytest.importorskip("nncf", reason="NNCF is not installed")
    # Query, key and value of three layers, key and value of two grouping blocks.
    assert float_products(graph_with(), tmp_path) == 3 * 3 + 2 * 2
    assert float_products(graph_with("fuse_qkv"), tmp_path) == 0


def float_products(graph: onnx.ModelProto, folder: Path) -> int:
    """Quantized products that ONNX Runtime computes on floats, of weights dequantized in every call."""
    random = np.random.default_rng(1)
    height, width = (dim.dim_value for dim in graph.graph.input[0].type.tensor_type.shape.dim[2:])
    images = [random.normal(size=(1, 3, height, width)).astype(np.float32) for _ in range(2)]
    quantized = quantize(
        graph,
        images,
        lambda pixels: {"pixel_values": pixels},
        kept_in_float(graph, weight_bits=7),
        symmetric=False,
        weight_bits=7,
    )
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    chosen = inlined(quantized.choose(quantized.layers)).SerializeToString()
    onnxruntime.InferenceSession(chosen, options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(folder / "optimized.onnx").graph.node
    dequantized = {node.output[0] for node in nodes if node.op_type == "DequantizeLinear"}
    return sum(node.op_type == "MatMul" and node.input[1] in dequantized for node in nodes)
