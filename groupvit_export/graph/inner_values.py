"""Values inside a graph, as ONNX Runtime computes them on the CPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import onnx
from numpy.typing import NDArray

from groupvit_runtime.without_telemetry.onnxruntime import onnxruntime


def inner_values(
    graph: onnx.ModelProto, feeds: Mapping[str, NDArray[Any]], names: Sequence[str], *, optimize: bool
) -> dict[str, NDArray[Any]]:
    """Run a graph with some of its values marked as outputs.

    Args:
        graph: without functions.
        feeds: its inputs by name.
        names: of the values.
        optimize: whether the runtime may fuse what is not marked.

    Returns:
        The values by name.
    """
    marked = onnx.ModelProto()
    marked.CopyFrom(graph)
    known = {output.name for output in marked.graph.output}
    # Without a type: the runtime infers it.
    marked.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in known)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    if not optimize:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        marked.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    values = session.run(list(names), dict(feeds))
    return dict(zip(names, values, strict=True))
