"""The grouping attention of one stage, as a graph of its own."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import onnx

from groupvit_export.graph.naming import grouping_nodes, grouping_value
from groupvit_kernels.grouping_attention_contract import INPUTS, OUTPUTS

INPUT_RANKS: Final[Mapping[str, int]] = MappingProxyType({"query": 3, "tokens": 3, "bias": 2})
_OUTPUT_RANKS: Final[Mapping[str, int]] = MappingProxyType({"means": 3, "soft": 3, "index": 2, "count": 2})


def isolate_grouping(model: onnx.ModelProto, stage: int) -> onnx.ModelProto | None:
    """Cut the op out of a graph, with its function body and its opset.

    Args:
        model: an image graph.
        stage: from 1.

    Returns:
        The small graph, all sizes open; None where the graph has no node of the op for this stage.
    """
    nodes = grouping_nodes(model)
    if len(nodes) < stage:
        return None
    own = onnx.NodeProto()
    own.CopyFrom(nodes[stage - 1])
    own.input[:] = [grouping_value(stage, name) for name in INPUTS]
    own.output[:] = [grouping_value(stage, name) for name in OUTPUTS]
    graph = onnx.helper.make_graph(
        [own],
        f"grouping_{stage}",
        [_tensor(stage, name, INPUT_RANKS[name]) for name in INPUTS],
        [_tensor(stage, name, _OUTPUT_RANKS[name]) for name in OUTPUTS],
    )
    small = onnx.helper.make_model(graph, opset_imports=model.opset_import, functions=model.functions)
    small.ir_version = model.ir_version
    return small


def _tensor(stage: int, name: str, rank: int) -> onnx.ValueInfoProto:
    kind = onnx.TensorProto.INT64 if name == "index" else onnx.TensorProto.FLOAT
    return onnx.helper.make_tensor_value_info(grouping_value(stage, name), kind, [None] * rank)
