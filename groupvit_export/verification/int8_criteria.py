"""The verdict on int8, for which there is no PyTorch to measure noise with.

What can be exact must be: every token in the best group of its own soft map, the grouping attention right
by itself, finite outputs, the float32 text engine within its budgets. What int8 costs is judged by label maps
and their budget. All other rows inform.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.metrics.judge import Quality
from groupvit_export.verification.details import MeanIoUs, PixelsAsFp32
from groupvit_export.verification.report import Cell, Report, Row, settled
from groupvit_export.verification.rows import RowKey, RowKind

PIXELS: Final = RowKey(RowKind.PIXELS_UNLIKE_FP32)
MIOU: Final = RowKey(RowKind.MIOU_DROP)


_JUDGED_AS: Final[Mapping[str, str]] = MappingProxyType({"int8": "fp32", "w16": "fp16"})
"""Precisions that PyTorch has not: w16 rounds weights as fp16 does, and nothing besides."""


def reference_precision(precision: str) -> str:
    """The precision whose noise and budgets an examination uses."""
    return _JUDGED_AS.get(precision, precision)


def label_cells(found: Quality, fp32: Quality, budget: LabelBudget, images: str) -> dict[RowKey, Cell]:
    """The two rows that the budget decides; shares as everywhere in the matrix.

    Args:
        found: of the int8 engine's label maps.
        fp32: of those it is held against.
        budget: what may be lost.
        images: on what this was measured.
    """
    drop, pixels = (fp32.miou - found.miou) / 100, 1 - found.agreement / 100
    return {
        PIXELS: Cell(
            "PASS" if found.agreement >= budget.min_agreement else "FAIL",
            pixels,
            1 - budget.min_agreement / 100,
            PixelsAsFp32(found.agreement, images),
        ),
        MIOU: Cell(
            "PASS" if fp32.miou - found.miou <= budget.max_miou_drop else "FAIL",
            drop,
            budget.max_miou_drop / 100,
            MeanIoUs(found.miou, fp32.miou),
        ),
    }


def apply_int8_criteria(report: Report, columns: Mapping[str, Mapping[RowKey, Cell]]) -> Report:
    """The report with the rows that decide about int8, and all others as information.

    Args:
        report: of an examination with the budgets of float32.
        columns: cells that label maps gave, by column in int8.
    """
    rows = []
    for row in report.rows:
        cells = {
            name: settled(row.key, cell, "int8") if name in columns else cell
            for name, cell in row.cells.items()
        }
        rows.append(replace(row, cells=MappingProxyType(cells)))
    for key in (PIXELS, MIOU):
        cells = {column: found[key] for column, found in columns.items() if key in found}
        if cells:
            rows.append(Row(key, MappingProxyType(cells)))
    return replace(report, rows=tuple(rows))
