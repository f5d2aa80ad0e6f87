"""The first node of a graph that leaves its budget, found by marking intermediate values as outputs.

The truth is the graph captured afresh from the checkpoint, evaluated in float64 by ONNX's reference
evaluator. Its values have the names that the engine's file has, in ONNX and in OpenVINO's format alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx.reference import ReferenceEvaluator

from groupvit_export.graph.grouping_attention_function import inlined
from groupvit_export.graph.inner_values import inner_values
from groupvit_export.targets.registry import target_of_engine
from groupvit_export.verification.decisions import Index, output_error

Values = Mapping[str, NDArray[Any]]
Feeds = Mapping[str, NDArray[Any]]

_FACTOR: Final = 16.0
_FLOOR: Final = 1e-6
"""Of a value's largest element; see `budgets.py` for what a factor and a floor are."""


@dataclass(frozen=True)
class FirstDivergence:
    """The first node whose output leaves its budget; all nodes before it are within theirs.

    Attributes:
        position, nodes: the node's place among those that could be compared, from 1.
        operator, node, value: its operator, its name and its output.
        inputs: what it reads.
        error, budget, index: of the output.
    """

    position: int
    nodes: int
    operator: str
    node: str
    value: str
    inputs: tuple[str, ...]
    error: float
    budget: float
    index: Index


def bisect(clean: onnx.ModelProto, target: str, path: Path, feeds: Feeds) -> FirstDivergence | None:
    """Find the first node that leaves its budget.

    Args:
        clean: the image graph captured from the checkpoint with the bundle's passes.
        target: of the engine.
        path: the engine's file.
        feeds: inputs of the engine by name, on which it fails.

    Returns:
        The node, or None where every value is within its budget.

    Raises:
        UsageError: values of this target's engines cannot be marked.
    """
    engine = target_of_engine(target).mark_values(path, feeds)
    graph = inlined(clean)
    truth = _truth(graph, feeds)
    plain = inner_values(graph, feeds, list(truth), optimize=False)
    run = engine.run
    order = [
        node for node in graph.graph.node if node.output[0] in truth and node.output[0] in engine.available
    ]
    names = [node.output[0] for node in order]
    budgets = {name: _budget(truth[name], plain[name]) for name in names}

    def is_off(found: Values, name: str) -> bool:
        return output_error(found[name], truth[name])[0] > budgets[name]

    found = run(names)
    first = next((i for i, name in enumerate(names) if is_off(found, name)), None)
    if first is None:
        # Marked values are not fused; a fault in a fusion is then gone. Mark one at a time instead.
        low, high = 0, len(names) - 1
        if not is_off(run([names[high]]), names[high]):
            return None
        while low < high:
            middle = (low + high) // 2
            if is_off(run([names[middle]]), names[middle]):
                high = middle
            else:
                low = middle + 1
        first, found = low, run([names[low]])
    node = order[first]
    error, index = output_error(found[names[first]], truth[names[first]])
    return FirstDivergence(
        position=first + 1,
        nodes=len(order),
        operator=node.op_type,
        node=node.name,
        value=names[first],
        inputs=tuple(node.input),
        error=error,
        budget=budgets[names[first]],
        index=index,
    )


def _budget(truth: NDArray[np.float64], plain: NDArray[Any]) -> float:
    if not np.issubdtype(plain.dtype, np.floating):
        return 0.0
    scale = float(np.abs(truth).max()) if truth.size else 0.0
    return max(_FLOOR * scale, _FACTOR * output_error(plain, truth)[0])


def _truth(graph: onnx.ModelProto, feeds: Feeds) -> dict[str, NDArray[np.float64]]:
    """Every value that a node computes, in float64."""
    wide = onnx.ModelProto()
    wide.CopyFrom(graph)
    for tensor in wide.graph.initializer:
        if tensor.data_type == onnx.TensorProto.FLOAT:
            array = numpy_helper.to_array(tensor).astype(np.float64)
            tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    for node in wide.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.i == onnx.TensorProto.FLOAT:
                attribute.i = onnx.TensorProto.DOUBLE
            if attribute.HasField("t") and attribute.t.data_type == onnx.TensorProto.FLOAT:
                array = numpy_helper.to_array(attribute.t).astype(np.float64)
                attribute.t.CopyFrom(numpy_helper.from_array(array, attribute.t.name))
            if attribute.name == "value_float":
                constant = numpy_helper.from_array(np.array(attribute.f, np.float64))
                attribute.CopyFrom(onnx.helper.make_attribute("value", constant))
    del wide.graph.value_info[:]
    wide_feeds = {
        name: value.astype(np.float64) if value.dtype == np.float32 else value
        for name, value in feeds.items()
    }
    values = ReferenceEvaluator(wide).run(None, wide_feeds, intermediate=True)
    computed = {name for node in graph.graph.node for name in node.output}
    return {
        name: np.asarray(value, np.float64)
        for name, value in values.items()
        if name in computed and np.asarray(value).dtype != bool and np.asarray(value).size
    }
