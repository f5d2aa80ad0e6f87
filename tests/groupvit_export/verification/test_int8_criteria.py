"""The verdict on int8: exact things and label maps decide, errors inform."""

from __future__ import annotations

import math

import pytest

from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.metrics.judge import Quality
from groupvit_export.verification.details import LoadedEngine
from groupvit_export.verification.int8_criteria import (
    MIOU,
    PIXELS,
    apply_int8_criteria,
    label_cells,
    reference_precision,
)
from groupvit_export.verification.report import Cell, Column, Report, Row
from groupvit_export.verification.rows import RowKey

FP32 = Quality(miou=80.0, agreement=100.0)
BUDGET = LabelBudget(max_miou_drop=1.5, min_agreement=98.5)


def _report(cells: dict[str, Cell]) -> Report:
    # The same figures in both columns; only one of them is int8.
    rows = tuple(Row(row_of(name), {"int8": cell, "fp32": cell}) for name, cell in cells.items())
    columns = tuple(Column(name, LoadedEngine(""), "onnx", name, "cpu") for name in ("int8", "fp32"))
    return Report("b", "c", columns, rows, (), (), 0.0)


def row_of(slug: str) -> RowKey:
    key = RowKey.parse(slug)
    assert key is not None, slug
    return key


WRONG = Cell("FAIL", 3.0, 0.0)


def test_errors_inform_and_decisions_decide() -> None:
    report = _report(
        {
            "stage_1_logits": WRONG,
            "stage_1_safe_flips": WRONG,
            "masks": WRONG,
            "stage_1_self_consistency": Cell("PASS", 0.0, 0.0),
        }
    )
    found = apply_int8_criteria(report, {"int8": label_cells(Quality(79.0, 99.0), FP32, BUDGET, "words")})
    assert found.column_verdict("int8") == "PASS"
    assert found.column_verdict("fp32") == "FAIL"
    assert found.cell("masks", "int8") == Cell(None, 3.0, None)
    assert [row.key for row in found.rows][-2:] == [PIXELS, MIOU]
    assert found.cell(PIXELS, "int8").value == pytest.approx(0.01)
    assert found.cell(MIOU, "int8").value == pytest.approx(0.01)


@pytest.mark.parametrize(
    "row",
    [
        "stage_2_self_consistency",
        "grouping_1_alone_decisions",
        "runs",
        "text_embeds",
        "constants",
        "token_ids",
    ],
)
def test_what_can_be_exact_must_be(row: str) -> None:
    found = apply_int8_criteria(_report({row: WRONG}), {"int8": label_cells(FP32, FP32, BUDGET, "")})
    assert found.column_verdict("int8") == "FAIL"


def test_outputs_must_be_finite() -> None:
    report = _report({"masks": Cell("FAIL", math.inf, 0.1)})
    found = apply_int8_criteria(report, {"int8": label_cells(FP32, FP32, BUDGET, "")})
    assert found.column_verdict("int8") == "FAIL"


@pytest.mark.parametrize(("miou", "agreement"), [(78.4, 99.0), (80.0, 98.4)])
def test_label_maps_beyond_the_budget_fail(miou: float, agreement: float) -> None:
    found = apply_int8_criteria(
        _report({}), {"int8": label_cells(Quality(miou, agreement), FP32, BUDGET, "")}
    )
    assert found.column_verdict("int8") == "FAIL"


def test_a_budget_is_recorded_as_it_was_given() -> None:
    assert LabelBudget.recorded(BUDGET.limits) == BUDGET


def test_noise_is_that_of_float32() -> None:
    assert reference_precision("int8") == "fp32" and reference_precision("bf16") == "bf16"
    assert reference_precision("w16") == "fp16"
