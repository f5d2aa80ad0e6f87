"""Rows about what TensorRT's parser made of the graph; they need the flavor, but no GPU."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import onnx

from groupvit_export.targets.tensorrt.network import NetworkFacts, network_facts, parse
from groupvit_export.verification.cells import count_cell, place
from groupvit_export.verification.report import Cell, not_run
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_runtime.engines.tensorrt_flavors import FLAVORS, is_installed, logger_of
from groupvit_runtime.manifest import EngineInfo, Role

_LAYER_NORMS: Final = RowKey(RowKind.NETWORK_LAYER_NORMS)
_CASTS: Final = RowKey(RowKind.NETWORK_CASTS)
_DECISIONS: Final = RowKey(RowKind.NETWORK_DECISIONS)
_INT8_PRODUCTS: Final = RowKey(RowKind.NETWORK_INT8_PRODUCTS)


def network_cells(
    engines: Mapping[Role, EngineInfo], root: Path, stages: int, quantized: int | None
) -> dict[RowKey, Cell]:
    """Parse the graphs that TensorRT engines were built from, and check layer by layer.

    Args:
        engines: by role; no rows where they are of another target.
        root: the bundle's folder.
        stages: how many grouping blocks there are.
        quantized: layers of the image engine in int8; None where the precision is another.
    """
    image = engines["image"]
    if image.tensorrt is None:
        return {}
    flavor = FLAVORS[image.tensorrt.flavor]
    rows: tuple[RowKey, ...] = (_LAYER_NORMS, _CASTS, _DECISIONS)
    if quantized is not None:
        rows = (*rows, _INT8_PRODUCTS)
    if not is_installed(flavor):
        return dict.fromkeys(rows, not_run(f"{flavor.title} is not installed"))
    trt = importlib.import_module(flavor.module)
    facts: dict[str, NetworkFacts] = {}
    expected = 0
    for role, info in engines.items():
        if info.source is None:
            return dict.fromkeys(rows, not_run("the bundle lacks the graph that the plan was built from"))
        model = onnx.load(info.source.verify(root))
        expected += sum(node.op_type == "LayerNormalization" for node in model.graph.node)
        parsed = parse(trt, logger_of(trt), model)
        facts[role] = network_facts(trt, parsed.network, stages if role == "image" else 0)
    return cells_of(facts, expected, quantized)


def cells_of(
    facts: Mapping[str, NetworkFacts], layer_norms: int, quantized: int | None = None
) -> dict[RowKey, Cell]:
    """The rows from what was read.

    Args:
        facts: by role.
        layer_norms: how many there are in the graphs.
        quantized: layers that were quantized; None where the precision is another.
    """
    found = sum(item.normalizations for item in facts.values())
    casts = [f"{role}: {name}" for role, f in facts.items() for name in (*f.unread_casts, *f.round_trips)]
    wrong = [f"stage {stage} {fault}" for stage, fault in enumerate(facts["image"].decisions, 1) if fault]
    total = sum(item.layers.get("CAST", 0) for item in facts.values())
    layers = sum(sum(item.layers.values()) for item in facts.values())
    good = "first of the largest float32 logits"
    cells = {
        _LAYER_NORMS: count_cell(
            abs(layer_norms - found),
            place("network", "LayerNormalization", ()) if found != layer_norms else None,
            f"{found} of {layer_norms} recognized, {layers:,} layers",
        ),
        _CASTS: count_cell(len(casts), place("network", casts[0], ()) if casts else None, f"of {total:,}"),
        _DECISIONS: count_cell(
            len(wrong), place("network", "assignment", ()) if wrong else None, "; ".join(wrong) or good
        ),
    }
    if quantized is not None:
        bytes_found = facts["image"].byte_products
        cells[_INT8_PRODUCTS] = count_cell(
            abs(quantized - bytes_found),
            place("network", "DequantizeLinear", ()) if bytes_found != quantized else None,
            f"{bytes_found} of {quantized} quantized layers",
        )
    return cells
