"""Unsigned bytes to signed ones, for builders that know no others."""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx
from onnx import numpy_helper

from groupvit_export.errors import ExportError

_QUANTIZERS: Final = ("QuantizeLinear", "DequantizeLinear")
_WIDER: Final = np.float32(255 / 127)


def signed(model: onnx.ModelProto) -> onnx.ModelProto:
    """The graph with every quantizer in int8 and zero in the middle of its range.

    NNCF takes uint8 where a value is never negative, and cannot be told otherwise. The same range in int8
    has steps of twice the width.

    Args:
        model: quantized; it is not changed.

    Raises:
        ExportError: a range does not have zero in its middle, or at its end if unsigned.
    """
    result = onnx.ModelProto()
    result.CopyFrom(model)
    weights = {tensor.name: tensor for tensor in result.graph.initializer}
    made: set[str] = set()
    for node in result.graph.node:
        if node.op_type not in _QUANTIZERS:
            continue
        zero = numpy_helper.to_array(weights[node.input[2]])
        if zero.dtype not in (np.int8, np.uint8) or zero.any():
            raise ExportError(
                "a range does not have zero in its middle",
                got=f"{node.name}: zero point {zero.reshape(-1)[0]} of {zero.dtype}",
                expected="zero point 0",
                fix="install the versions of constraints.txt",
            )
        if zero.dtype == np.int8:
            continue
        scale = numpy_helper.to_array(weights[node.input[1]])
        for index, value in ((1, scale * _WIDER), (2, zero.astype(np.int8))):
            name = f"{node.input[index]}.signed"
            node.input[index] = name
            if name not in made:
                made.add(name)
                result.graph.initializer.append(numpy_helper.from_array(value, name))
    return result
