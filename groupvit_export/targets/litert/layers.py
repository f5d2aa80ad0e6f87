"""Which layers of a LiteRT file are those that a graph has quantized."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from groupvit_export.errors import ExportError
from groupvit_export.targets.litert.flatbuffer import Graph

_TO_ONNX: Final = {"FULLY_CONNECTED": ((1, 0), (0, 1)), "CONV_2D": ((0, 3, 1, 2),)}
"""By operator, its weights' dimensions in the order of MatMul and Gemm, and of Conv."""


def quantized_layers(graph: Graph, model: onnx.ModelProto) -> list[tuple[str, str]]:
    """Layers whose weights the graph has in bytes: kind of the operator, and name of its output.

    Their names are others, so a layer is known by the signs of its weights, which neither rounding nor
    smoothing changes.

    Args:
        graph: the file, in float32.
        model: the same model, quantized.

    Raises:
        ExportError: a layer of the model is not in the file.
    """
    missing = _signs(model)
    signs, found = list(missing.values()), []
    for op in graph.graph.operators:
        kind = graph.kind(op)
        if kind not in _TO_ONNX or not graph.is_constant(int(op.inputs[1])):
            continue
        weights = graph.values(int(op.inputs[1]))
        turned = [weights.transpose(order) for order in _TO_ONNX[kind]]
        if any(_are_alike(values, sign) for values in turned for sign in signs):
            found.append((kind, str(graph.graph.tensors[int(op.outputs[0])].name.decode())))
            missing = {
                name: sign
                for name, sign in missing.items()
                if not any(_are_alike(values, sign) for values in turned)
            }
    if missing:
        raise ExportError(
            "layers that are to be quantized are not in LiteRT's file",
            got=", ".join(missing),
            expected="every one of them",
            fix="install the versions of constraints-litert.txt: make litert; or --precision w16",
        )
    return found


def _signs(model: onnx.ModelProto) -> dict[str, NDArray[np.int8]]:
    """Signs of the weights that are bytes, by name."""
    read = {node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    return {
        tensor.name: np.sign(numpy_helper.to_array(tensor))
        for tensor in model.graph.initializer
        if tensor.name in read and tensor.data_type == TensorProto.INT8 and len(tensor.dims) > 1
    }


def _are_alike(weights: NDArray[Any], signs: NDArray[np.int8]) -> bool:
    return weights.shape == signs.shape and bool(np.all((np.sign(weights) == signs) | (signs == 0)))
