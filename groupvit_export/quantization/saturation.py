"""Whether a quantized graph can be multiplied exactly on any processor: a bound on its bytes.

x86 without VNNI multiplies unsigned by signed bytes with `vpmaddubsw`, which adds two products in 16 bits and
saturates: 2 * 255 * 127 is 64,770, and 32,767 is the most. Signed activations are shifted to unsigned ones
before. With weights of at most 64 no pair can reach the end: 2 * 255 * 64 is 32,640. That is 7 bits.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx
from onnx import numpy_helper

from groupvit_export.quantization.layers import COMPUTING, MOVING

LARGEST_WEIGHT: Final = 64
"""Magnitude that the weights of 7 bits do not exceed, in whichever order an engine takes the pairs."""


def layers_at_risk(model: onnx.ModelProto) -> dict[str, str]:
    """Quantized products in which the sum of a pair may saturate in 16 bits: why, by name of the node.

    Args:
        model: quantized, with QuantizeLinear and DequantizeLinear.
    """
    makers = {name: node for node in model.graph.node for name in node.output}
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    found = {}
    for node in model.graph.node:
        if node.op_type not in COMPUTING:
            continue
        sources = [_bytes_of(makers, name) for name in node.input[:2]]
        if None in sources:
            # One side is float32, and so is the product.
            continue
        constants = [numpy_helper.to_array(weights[name]) for name in sources if name in weights]
        if not constants:
            found[node.name] = "multiplies two activations"
        elif (largest := min(_magnitude(constant) for constant in constants)) > LARGEST_WEIGHT:
            found[node.name] = f"a weight of magnitude {largest}"
    return found


def _bytes_of(makers: dict[str, onnx.NodeProto], name: str) -> str | None:
    """The value that is dequantized to `name`; None where nothing is."""
    node = makers.get(name)
    while node is not None and node.op_type in MOVING:
        node = makers.get(node.input[0])
    return node.input[0] if node is not None and node.op_type == "DequantizeLinear" else None


def _magnitude(constant: np.ndarray) -> int:
    # Widened first: -128 has no counterpart in int8.
    return int(np.abs(constant.astype(np.int64)).max(initial=0))
