"""Rows about what a target's own parser made of the graph; they need its package, but no GPU."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from groupvit_export.targets.inspection import Missing, NetworkFacts
from groupvit_export.targets.registry import target_of_engine
from groupvit_export.verification.cells import count_cell, faults_cell
from groupvit_export.verification.details import Counted, LayerNorms, Part, Total, WrongDecisions
from groupvit_export.verification.report import Cell, Place, not_run
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_runtime.manifest import EngineInfo, Role

_LAYER_NORMS: Final = RowKey(RowKind.NETWORK_LAYER_NORMS)
_CASTS: Final = RowKey(RowKind.NETWORK_CASTS)
_DECISIONS: Final = RowKey(RowKind.NETWORK_DECISIONS)
_INT8_PRODUCTS: Final = RowKey(RowKind.NETWORK_INT8_PRODUCTS)


def network_cells(
    engines: Mapping[Role, EngineInfo], root: Path, stages: int, quantized: int | None
) -> dict[RowKey, Cell]:
    """Check layer by layer how the graphs that engines were built from were understood.

    Args:
        engines: by role; no rows where their target has no parser of its own.
        root: the bundle's folder.
        stages: how many grouping blocks there are.
        quantized: layers of the image engine in int8; None where the precision is another.
    """
    parsed = target_of_engine(engines["image"].target).parse_graphs(engines, root, stages)
    if parsed is None:
        return {}
    if isinstance(parsed, Missing):
        rows = (_LAYER_NORMS, _CASTS, _DECISIONS, *(() if quantized is None else (_INT8_PRODUCTS,)))
        return dict.fromkeys(rows, not_run(parsed))
    return cells_of(parsed.facts, parsed.layer_norms, quantized)


def cells_of(
    facts: Mapping[Role, NetworkFacts], layer_norms: int, quantized: int | None = None
) -> dict[RowKey, Cell]:
    """The rows from what was read."""
    found = sum(item.normalizations for item in facts.values())
    casts = [
        Place("network", f"{role}: {name}", ())
        for role, item in facts.items()
        for name in (*item.unread_casts, *item.round_trips)
    ]
    wrong = facts["image"].wrong_decisions
    total = sum(item.layers.get("CAST", 0) for item in facts.values())
    layers = sum(sum(item.layers.values()) for item in facts.values())
    cells = {
        _LAYER_NORMS: count_cell(
            abs(layer_norms - found),
            Place("network", "LayerNormalization", ()) if found != layer_norms else None,
            LayerNorms(found, layer_norms, layers),
        ),
        _CASTS: faults_cell(casts, Total(total, Counted.CASTS)),
        _DECISIONS: faults_cell(
            [Place("network", f"assignment_{item.stage}", ()) for item in wrong], WrongDecisions(wrong)
        ),
    }
    if quantized is not None:
        bytes_found = facts["image"].byte_products
        cells[_INT8_PRODUCTS] = count_cell(
            abs(quantized - bytes_found),
            Place("network", "DequantizeLinear", ()) if bytes_found != quantized else None,
            Part(bytes_found, quantized, Counted.QUANTIZED_LAYERS),
        )
    return cells
