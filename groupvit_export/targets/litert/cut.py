"""The grouping attention in a LiteRT file: found by what it computes, for inner values have no names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from groupvit_export.graph.naming import grouping_value
from groupvit_export.targets.cut import cut_info
from groupvit_export.targets.inspection import Missing, MissingPart
from groupvit_export.targets.litert.flatbuffer import Graph, Part
from groupvit_runtime.manifest import EngineInfo

_MOVING: Final = ("RESHAPE", "TRANSPOSE")
_PRODUCTS: Final = ("FULLY_CONNECTED", "BATCH_MATMUL")
_MOST: Final = 40
"""Operators of one grouping attention; more were found where a boundary was not."""


@dataclass(frozen=True)
class _Values:
    """Tensors around the op, by their names in the contract."""

    query: int
    tokens: int
    bias: int
    means: int
    soft: int
    index: int
    count: int


def cut_op(info: EngineInfo, root: Path, stage: int, folder: Path) -> EngineInfo | Missing:
    """See `Target.cut_op`."""
    graph = Graph(info.files[0].read(root))
    values = _find(graph, stage)
    if values is None:
        return Missing(MissingPart.GROUPING_NODE)
    last = (values.means, values.soft, values.index, values.count)
    ops = graph.between((values.query, values.tokens, values.bias), last)
    if ops is None or len(ops) > _MOST:
        return Missing(MissingPart.GROUPING_NODE)
    batch, groups, tokens = graph.shape(values.soft)
    channels = graph.shape(values.means)[-1]
    shapes = {
        "query": (batch, groups, channels),
        "tokens": (batch, tokens, channels),
        "bias": (batch, groups),
        "means": (batch, groups, channels),
        "soft": (batch, groups, tokens),
        "index": (batch, tokens),
        "count": (batch, groups),
    }
    part = Part(graph, ops)
    places = {
        name: (part.input if name in ("query", "tokens", "bias") else part.output)(
            grouping_value(stage, name), getattr(values, name), shape
        )
        for name, shape in shapes.items()
    }
    inputs = dict(places[name] for name in ("query", "tokens", "bias"))
    outputs = dict(places[name] for name in ("means", "soft", "index", "count"))
    name = f"grouping_{stage}.tflite"
    (folder / name).write_bytes(part.to_bytes(inputs, outputs))
    return cut_info(info, stage, folder, (name,))


def _find(graph: Graph, stage: int) -> _Values | None:
    outputs = graph.outputs()
    index, soft = (outputs[grouping_value(stage, name)] for name in ("index", "soft"))
    decision = graph.maker(index, _MOVING)
    if decision is None or graph.kind(decision) != "ARG_MAX":
        return None
    scored = _logits(graph, int(decision.inputs[0]))
    hard = [int(op.outputs[0]) for op in _after(graph, index, "EQUAL", "CAST")]
    if scored is None or len(hard) != 1:
        return None
    query, bias = scored
    counts = graph.readers(hard[0], "SUM")
    sums = [op for kind in _PRODUCTS for op in graph.readers(hard[0], kind, _MOVING)]
    if len(counts) != 1 or len(sums) != 1:
        return None
    means = graph.readers(int(sums[0].outputs[0]), "DIV", _MOVING)
    if len(means) != 1:
        return None
    return _Values(
        query=query,
        tokens=int(sums[0].inputs[1]),
        bias=bias,
        means=int(means[0].outputs[0]),
        soft=soft,
        index=index,
        count=int(counts[0].outputs[0]),
    )


def _logits(graph: Graph, logits: int) -> tuple[int, int] | None:
    """The query and the bias of logits that are a product of two values, and a bias."""
    added = graph.maker(logits, _MOVING)
    if added is None or graph.kind(added) != "ADD":
        return None
    first, second = (int(tensor) for tensor in added.inputs)
    for product, bias in ((first, second), (second, first)):
        maker = graph.maker(product, _MOVING)
        if (
            maker is not None
            and graph.kind(maker) in _PRODUCTS
            and not any(graph.is_weight(int(tensor)) for tensor in maker.inputs[:2])
        ):
            return int(maker.inputs[0]), bias
    return None


def _after(graph: Graph, tensor: int, *kinds: str) -> list[Any]:
    """Operators at the end of a chain of kinds that begins at a tensor."""
    found = graph.readers(tensor, kinds[0], _MOVING)
    for kind in kinds[1:]:
        found = [reader for op in found for reader in graph.readers(int(op.outputs[0]), kind, _MOVING)]
    return found
