"""A graph whose weights are stored in float16 and computed in float32: half the file, as fast as float32.

Tables of which tokens look up rows are stored in 12 bits, with a scale a row: of the published size the table
of words is half of the text engine. That rounds a third as finely as float16, and 8 bits would a fiftieth.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from groupvit_export.errors import ExportError

W16: Final = "w16"
"""The precision's name."""

_LEAST: Final = 1024
"""Elements of a tensor that is worth a node; biases and the scales of norms stay as they are."""
_LARGEST: Final = 2047
"""Of a row's integers."""
_SIXTEEN: Final = f"{W16}.sixteen"
_SIXTEENTH: Final = f"{W16}.sixteenth"


def with_half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store every large float32 initializer in float16, behind a Cast that runtimes fold when they load it.

    Args:
        model: in float32; it is not changed.

    Returns:
        The same graph, of the rounded weights.

    Raises:
        ExportError: a weight is beyond the range of float16.
    """
    stored = onnx.ModelProto()
    stored.CopyFrom(model)
    graph = stored.graph
    tables = _tables(graph)
    initializers: list[onnx.TensorProto] = []
    casts: list[onnx.NodeProto] = []
    for tensor in graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _LEAST:
            initializers.append(tensor)
        elif tensor.name in tables:
            initializers += _rows_in_integers(tensor)
        else:
            half = _half(tensor)
            initializers.append(half)
            casts.append(_cast(half.name, tensor.name))
    changed = tables - {tensor.name for tensor in initializers}
    if changed:
        initializers += [_number(16, _SIXTEEN), _number(1 / 16, _SIXTEENTH)]
    nodes = list(casts)
    for node in graph.node:
        by_rows = node.op_type == "Gather" and node.input[0] in changed
        nodes += _row_of_integers(node) if by_rows else [node]
    # Casts come before everything that reads what they give.
    rebuilt = helper.make_graph(
        nodes, graph.name, graph.input, graph.output, initializers, value_info=graph.value_info
    )
    graph.CopyFrom(rebuilt)
    return stored


def _tables(graph: onnx.GraphProto) -> set[str]:
    """Names of tables [rows, an even number of columns] that are read for nothing but rows of them."""
    uses = Counter(name for node in graph.node for name in node.input)
    rows = Counter(
        node.input[0]
        for node in graph.node
        if node.op_type == "Gather" and all(attribute.i == 0 for attribute in node.attribute)
    )
    return {
        tensor.name
        for tensor in graph.initializer
        if rows[tensor.name] == uses[tensor.name] > 0 and len(tensor.dims) == 2 and tensor.dims[1] % 2 == 0
    }


def _half(tensor: onnx.TensorProto) -> onnx.TensorProto:
    values = numpy_helper.to_array(tensor)
    if np.abs(values).max() > np.finfo(np.float16).max:
        raise ExportError(
            "a weight is beyond the range of float16",
            got=f"{np.abs(values).max():.6g} in {tensor.name}",
            expected=f"at most {np.finfo(np.float16).max:.0f}",
            fix="--precision fp32",
        )
    return numpy_helper.from_array(values.astype(np.float16), f"{tensor.name}.{W16}")


def _number(value: float, name: str) -> onnx.TensorProto:
    return numpy_helper.from_array(np.array(value, np.float32), name)


def _rows_in_integers(tensor: onnx.TensorProto) -> list[onnx.TensorProto]:
    """Integers' upper 8 bits, the lower 4 of two columns in a byte, and the scale, float32 [rows, 1]."""
    values = numpy_helper.to_array(tensor)
    largest = np.abs(values).max(axis=1, keepdims=True)
    scale = np.where(largest > 0, largest, np.float32(1)) / np.float32(_LARGEST)
    integers = np.rint(values / scale).astype(np.int16)
    left, right = np.split(integers & 15, 2, axis=1)
    parts = {
        "upper": (integers >> 4).astype(np.int8),
        "lower": (left << 4 | right).astype(np.uint8),
        "scale": scale,
    }
    return [numpy_helper.from_array(part, f"{tensor.name}.{W16}.{name}") for name, part in parts.items()]


def _row_of_integers(gather: onnx.NodeProto) -> list[onnx.NodeProto]:
    """What looks rows up in such a table; nothing is computed of the rows that nobody asks for."""
    (table, index), (result,) = gather.input, gather.output

    def named(part: str) -> str:
        return f"{result}.{W16}.{part}"

    def node(kind: str, given: list[str], part: str, **attributes: int) -> onnx.NodeProto:
        return helper.make_node(kind, given, [named(part)], named(part), **attributes)

    return [
        *(
            node("Gather", [f"{table}.{W16}.{part}", index], part, axis=0)
            for part in ("upper", "lower", "scale")
        ),
        node("Cast", [named("upper")], "whole", to=TensorProto.FLOAT),
        node("Mul", [named("whole"), _SIXTEEN], "high"),
        node("Cast", [named("lower")], "pair", to=TensorProto.FLOAT),
        node("Mul", [named("pair"), _SIXTEENTH], "quotient"),
        node("Floor", [named("quotient")], "left"),
        node("Mul", [named("left"), _SIXTEEN], "times"),
        node("Sub", [named("pair"), named("times")], "right"),
        node("Concat", [named("left"), named("right")], "low", axis=-1),
        node("Add", [named("high"), named("low")], "integer"),
        helper.make_node("Mul", [named("integer"), named("scale")], [result], gather.name),
    ]


def _cast(given: str, result: str) -> onnx.NodeProto:
    return helper.make_node("Cast", [given], [result], f"{given}.cast", to=TensorProto.FLOAT)
