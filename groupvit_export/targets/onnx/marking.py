"""Values inside an engine of ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

from groupvit_export.graph.grouping_attention_function import inlined
from groupvit_export.graph.inner_values import inner_values
from groupvit_export.targets.base import MarkedEngine


def mark_values(path: Path, feeds: Mapping[str, NDArray[Any]]) -> MarkedEngine:
    """See `Target.mark_values`."""
    graph = inlined(onnx.load(path))
    return MarkedEngine(
        frozenset(name for node in graph.graph.node for name in node.output),
        lambda names: inner_values(graph, feeds, names, optimize=True),
    )
