"""A graph whose weights are stored in float16 and computed in float32: half the file, as fast as float32."""

from __future__ import annotations

from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from groupvit_export.errors import ExportError

W16: Final = "w16"
"""The precision's name."""

_LEAST: Final = 1024
"""Elements of a tensor that is worth a node; biases and the scales of norms stay as they are."""


def with_half_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """Store every large float32 initializer in float16, behind a Cast that runtimes fold when they load it.

    Args:
        model: in float32; it is not changed.

    Returns:
        The same graph, of the rounded weights.

    Raises:
        ExportError: a weight is beyond the range of float16.
    """
    halved = onnx.ModelProto()
    halved.CopyFrom(model)
    casts: list[onnx.NodeProto] = []
    for tensor in halved.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < _LEAST:
            continue
        values = numpy_helper.to_array(tensor)
        if np.abs(values).max() > np.finfo(np.float16).max:
            raise ExportError(
                "a weight is beyond the range of float16",
                got=f"{np.abs(values).max():.6g} in {tensor.name}",
                expected=f"at most {np.finfo(np.float16).max:.0f}",
                fix="--precision fp32",
            )
        name, stored = tensor.name, f"{tensor.name}.{W16}"
        tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(helper.make_node("Cast", [stored], [name], f"{stored}.cast", to=TensorProto.FLOAT))
    # Before everything that reads them.
    nodes = [*casts, *halved.graph.node]
    del halved.graph.node[:]
    halved.graph.node.extend(nodes)
    return halved
