"""What must hold of every ONNX file before anything is built from it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import onnx

from groupvit_export.errors import ExportError
from groupvit_kernels.grouping_attention_contract import DOMAIN, OP_NAME
from groupvit_runtime.manifest import TensorInfo


def check_graph(model: onnx.ModelProto, *, outputs: Sequence[str], grouping_nodes: int) -> None:
    """Run the ONNX checker with shape inference, and our own rules.

    Args:
        outputs: names the graph must have, in order.
        grouping_nodes: number of `groupvit::GroupingAttention` nodes it must have.

    Raises:
        ExportError: a rule is broken.
    """
    try:
        onnx.checker.check_model(model, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise ExportError("the ONNX checker refuses the graph", got=str(error).splitlines()[0]) from error
    names = [output.name for output in model.graph.output]
    if names != list(outputs):
        raise ExportError("the graph has other outputs than named", got=names, expected=list(outputs))
    found = sum(node.domain == DOMAIN and node.op_type == OP_NAME for node in model.graph.node)
    if found != grouping_nodes:
        raise ExportError(
            "the grouping attention was taken apart or lost in the capture",
            got=f"{found} nodes {DOMAIN}::{OP_NAME}",
            expected=grouping_nodes,
        )
    empty = [value.name for value in _values(model) if not value.doc_string]
    if empty or not (model.doc_string and model.producer_version and model.metadata_props):
        raise ExportError("metadata of the graph is incomplete", got=empty or "model fields empty")


def tensor_infos(values: Sequence[onnx.ValueInfoProto]) -> tuple[TensorInfo, ...]:
    """Names, dtypes and shapes (-1 where dynamic) as the manifest records them."""
    return tuple(
        TensorInfo(
            name=value.name,
            dtype=np.dtype(onnx.helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)).name,
            shape=tuple(
                dim.dim_value if dim.HasField("dim_value") else -1 for dim in value.type.tensor_type.shape.dim
            ),
        )
        for value in values
    )


def _values(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    return [*model.graph.input, *model.graph.output]
