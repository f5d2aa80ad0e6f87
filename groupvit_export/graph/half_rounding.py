"""A half-precision graph rewritten in float32, with every rounding to half spelled out.

ONNX Runtime's CPU has no bfloat16 and computes float16 in float32 without rounding in between, so it cannot
show what a half-precision engine will do. This twin can: every operator computes in float32, as matrix units
accumulate, and each result is rounded to the type it has in the graph.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper

from groupvit_export.graph.precision import HALVES

_HALF_TYPES: Final = frozenset(half.onnx_type for half in HALVES.values())

_EXACT: Final = frozenset(
    {
        "Concat", "Expand", "Gather", "GatherND", "Identity", "Pad", "Relu", "Reshape", "Slice", "Split",
        "Squeeze", "Transpose", "Unsqueeze", "Where",
    }
)  # fmt: skip
"""Operators whose results are among their inputs: there is nothing to round."""


def emulate_half_rounding(model: onnx.ModelProto) -> onnx.ModelProto:
    """The twin of a typed graph; a float32 graph comes back as it is.

    Args:
        model: from `groupvit_export.graph.precision.in_precision`; it is not changed.
    """
    types = _half_values(model)
    twin = onnx.ModelProto()
    twin.CopyFrom(model)
    del twin.graph.node[:]
    del twin.graph.value_info[:]
    for tensor in twin.graph.initializer:
        if tensor.data_type in _HALF_TYPES:
            wide = numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(numpy_helper.from_array(wide, tensor.name))
    for node in model.graph.node:
        twin.graph.node.extend(_rewritten(node, types))
    return twin


def _half_values(model: onnx.ModelProto) -> dict[str, int]:
    inferred = onnx.shape_inference.infer_shapes(model).graph
    types = {value.name: value.type.tensor_type.elem_type for value in inferred.value_info}
    return {name: kind for name, kind in types.items() if kind in _HALF_TYPES}


def _rewritten(node: onnx.NodeProto, types: dict[str, int]) -> list[onnx.NodeProto]:
    if node.op_type == "Cast":
        return _cast(node, types)
    new = onnx.NodeProto()
    new.CopyFrom(node)
    if node.op_type in _EXACT:
        return [new]
    after: list[onnx.NodeProto] = []
    for position, name in enumerate(node.output):
        if name in types:
            new.output[position] = f"{name}.unrounded"
            after += _round(f"{name}.unrounded", name, types[name])
    return [new, *after]


def _cast(node: onnx.NodeProto, types: dict[str, int]) -> list[onnx.NodeProto]:
    source, target = node.input[0], node.output[0]
    if target in types:
        return _round(source, target, types[target])
    if source in types and next(a.i for a in node.attribute if a.name == "to") == TensorProto.FLOAT:
        return [onnx.helper.make_node("Identity", [source], [target], name=node.name)]
    return [node]


def _round(source: str, target: str, kind: int) -> list[onnx.NodeProto]:
    half = f"{target}.rounded"
    return [
        onnx.helper.make_node("Cast", [source], [half], name=f"round_{target}", to=kind),
        onnx.helper.make_node("Cast", [half], [target], name=f"widen_{target}", to=TensorProto.FLOAT),
    ]
