"""Verdicts of cells, columns and reports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from verifying import demo_subject, examine_backends

from groupvit_export.html.page import Origin
from groupvit_export.verification.backends import eager
from groupvit_export.verification.cells import MaxError, count_cell, information, risk_cell
from groupvit_export.verification.details import Counted, LoadedEngine, Refusal, Remark
from groupvit_export.verification.html import html_report
from groupvit_export.verification.report import (
    EXIT_CODES,
    Cell,
    Column,
    Place,
    Report,
    Row,
    broken,
    joined,
    not_run,
)
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_export.verification.words import finding_words, parity_summary, place_words

HERE = Place("case", "logits_1", (0, 3, 17))


def report(*cells: Cell) -> Report:
    rows = tuple(
        Row(RowKey(RowKind.STAGE_REGRET, stage), {"engine": cell}) for stage, cell in enumerate(cells, 1)
    )
    return Report(
        "bundle",
        "checkpoint",
        (Column("engine", LoadedEngine(""), None, "fp32", "cpu"),),
        rows,
        ("case",),
        (),
        0.0,
    )


def worst_of(value: float, budget: float, **options: bool) -> Cell:
    worst = MaxError()
    worst.update(0.0, budget, Place("another", "masks", (0,)))
    worst.update(value, budget, HERE)
    return worst.cell(**options)


def test_a_place_is_said_in_words() -> None:
    assert place_words(HERE) == "logits_1, case, image 0, group 3, token 17"


def test_verdicts_of_cells() -> None:
    assert worst_of(1.0, 1.0).verdict == "PASS"
    assert worst_of(1.1, 1.0) == Cell("FAIL", 1.1, 1.0, None, HERE)
    assert worst_of(0.1, 1.0, too_noisy=True).verdict == "AMBIGUOUS"
    assert worst_of(np.inf, 1.0, too_noisy=True).verdict == "FAIL"
    assert worst_of(0.0, 0.0).verdict == "PASS" and worst_of(1e-30, 0.0).verdict == "FAIL"
    assert count_cell(0, HERE).verdict == "PASS" and count_cell(1, HERE).place == HERE
    assert risk_cell(1, 20, 0.05, Counted.PIXELS).verdict == "PASS"
    assert risk_cell(2, 20, 0.05, Counted.PIXELS).verdict == "AMBIGUOUS"


def test_of_several_image_engines_each_decides() -> None:
    fine, wrong = count_cell(0, HERE), count_cell(2, HERE)
    first, second = report(fine, fine), report(fine, wrong, fine)
    other = Column("other", LoadedEngine(""), None, "int8", "cpu")
    renamed = tuple(Row(row.key, {"engine": wrong, "other": row.cells["engine"]}) for row in second.rows)
    second = replace(second, columns=(*second.columns, other), rows=renamed, cases=("case", "more"))
    found = joined([first, second])
    assert [column.name for column in found.columns] == ["engine", "other"]
    assert found.cases == ("case", "more") and len(found.rows) == 3
    # A column that both have is that of the first.
    assert [row.cells["engine"] for row in found.rows[:2]] == [fine, fine]
    assert [row.cells["other"] for row in found.rows] == [fine, wrong, fine]
    assert found.column_verdict("other") == found.verdict == "FAIL"
    assert joined([first]) == first


def test_the_worst_cell_decides_and_its_first_row_is_named() -> None:
    unsure, wrong = risk_cell(1, 1, 0.5, Counted.PIXELS), count_cell(2, HERE)
    assert report(information(9.0), not_run(Remark.NOT_SQUARE)).verdict == "PASS"
    assert report(count_cell(0, None), unsure).verdict == "AMBIGUOUS"
    found = report(unsure, count_cell(0, None), wrong, broken(Refusal("later")))
    assert found.verdict == "FAIL"
    (finding,) = found.findings
    assert (finding.row.stage, finding.cell.place) == (3, HERE)
    assert parity_summary(found, "engine").first == finding_words(finding)
    assert [EXIT_CODES[v] for v in ("PASS", "AMBIGUOUS", "FAIL")] == [0, 4, 3]


def test_figures_that_are_not_finite_are_no_numbers_in_a_manifest() -> None:
    (row,) = parity_summary(report(worst_of(np.inf, 1.0)), "engine").rows
    assert (row.verdict, row.value) == ("FAIL", None)


@pytest.mark.slow
def test_flat_logits_prove_too_little() -> None:
    """Groups that cannot be told apart: whatever an engine decides, no budget can hold it against it."""
    subject = demo_subject.__wrapped__()
    for stage in subject.model.vision_model.encoder.stages:
        if stage.downsample is not None:
            stage.downsample.assign.q_proj.weight.data.mul_(1e-9)
            stage.downsample.assign.q_proj.bias.data.zero_()
    found = examine_backends(subject, eager(subject.model, "fp32"))
    assert found.verdict == "AMBIGUOUS"
    assert found.findings[0].row.slug == "stage_1_tokens_at_risk"


@pytest.mark.parametrize(
    ("verdict", "cell", "means"),
    [
        ("PASS", count_cell(0, None), "it can stand in for the checkpoint"),
        ("AMBIGUOUS", risk_cell(1, 1, 0.5, Counted.PIXELS), "the agreement proves too little"),
        ("FAIL", count_cell(2, HERE), "should not be used in its place"),
    ],
)
def test_a_page_says_when_how_and_what_its_verdict_means(verdict: str, cell: Cell, means: str) -> None:
    origin = Origin("groupvit verify bundle --html page.html", "2026-11-30 12:00 UTC")
    page = html_report(report(cell), {}, {}, origin)
    top = page[page.index("<header") : page.index("</header>")]
    assert origin.command in top and origin.created in top and f">{verdict}</div>" in top
    assert f"{verdict}: " in page and means in page
    assert "in 1 run, " in page
    assert (f'class="fault">engine: {place_words(HERE)}<' in page) == (verdict == "FAIL")
    # In the title, and beside a figure that is no pass.
    assert page.count(f" {verdict}<") == (1 if verdict == "PASS" else 2)
