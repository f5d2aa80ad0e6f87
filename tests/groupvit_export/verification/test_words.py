"""Verdicts are computed from typed rows: whatever the words are, they stay the same."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

import groupvit_export.verification.words as words
from groupvit_export.cli.matrix import matrix
from groupvit_export.cli.tables import plain
from groupvit_export.html.page import Origin
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.metrics.judge import Quality
from groupvit_export.verification.cells import count_cell, information, place, risk_cell
from groupvit_export.verification.html import html_report
from groupvit_export.verification.int8_criteria import apply_int8_criteria, label_cells
from groupvit_export.verification.report import Cell, Column, Report, Row, broken, not_run, settled
from groupvit_export.verification.rows import ROWS, BudgetSource, RowKey, RowKind, Scope, in_order

FP32 = Quality(miou=80.0, agreement=100.0)


def every_row() -> list[RowKey]:
    """A row of every kind, of two stages and of both decodes."""
    keys = []
    for kind, spec in ROWS.items():
        match spec.scope:
            case Scope.PER_STAGE:
                keys += [RowKey(kind, stage) for stage in (1, 2)]
            case Scope.PER_DECODE:
                keys += [RowKey(kind, name=decode) for decode in ("hf", "paper")]
            case Scope.PER_PASS:
                keys.append(RowKey(kind, name="fuse_qkv"))
            case Scope.ONCE:
                keys.append(RowKey(kind))
    return keys


def report(precision: str, **cells: Cell) -> Report:
    """Every row that decides passes, but for those that are given by name; all others inform."""
    sound = {key.slug: count_cell(0, None, "sound") for key in every_row()} | cells
    rows = [
        Row(key, {"engine": settled(key, sound[key.slug], precision)})
        for key in in_order(every_row())
        if key.spec.budget is not BudgetSource.LABEL_BUDGET
    ]
    columns = (Column("engine", "runtime, CPU", "onnx", precision, "cpu", "not run: no driver"),)
    made = Report("bundle", "checkpoint", columns, tuple(rows), ("batch 1",), ("a note",), 1.0)
    if precision != "int8":
        return made
    return apply_int8_criteria(
        made, {"engine": label_cells(Quality(79.5, 99.5), FP32, LabelBudget(), "40 images")}
    )


HERE = place("batch 1", "logits_1", (0, 3, 17))
REPORTS = {
    "passing": (report("fp32"), "PASS"),
    "failing": (report("fp32", stage_2_safe_flips=count_cell(2, HERE, "2 of 196 tokens flipped")), "FAIL"),
    "ambiguous": (report("fp32", stage_1_tokens_at_risk=risk_cell(9, 10, 0.05, "tokens")), "AMBIGUOUS"),
    "at risk in half": (report("bf16", stage_1_tokens_at_risk=risk_cell(9, 10, 0.05, "tokens")), "PASS"),
    "labels in half": (report("bf16", labels_hf_against_free_reference=count_cell(1, None)), "FAIL"),
    "int8": (report("int8", stage_1_safe_flips=count_cell(2, HERE), masks=broken("too far")), "PASS"),
    "failing int8": (report("int8", stage_1_self_consistency=count_cell(2, HERE)), "FAIL"),
    "int8, not finite": (report("int8", masks=replace(information(math.inf), verdict="FAIL")), "FAIL"),
    "not run": (report("fp32", token_ids=not_run("no tokenizer")), "PASS"),
}


def verdicts(given: Report) -> object:
    """Everything that a program would act on."""
    recorded = words.parity_summary(given, "engine")
    return (
        given.verdict,
        [(finding.column, finding.row, finding.cell.verdict) for finding in given.findings],
        {row.key: row.cells["engine"].verdict for row in given.rows},
        recorded.verdict,
        [(row.name, row.verdict, row.value, row.budget) for row in recorded.rows],
    )


def renamed(given: Report) -> Report:
    """With other sentences in every cell, column and note."""
    return replace(
        given,
        rows=tuple(
            replace(row, cells={name: replace(cell, detail="gibberish") for name, cell in row.cells.items()})
            for row in given.rows
        ),
        columns=tuple(replace(c, description="gibberish", substitute="gibberish") for c in given.columns),
        notes=("gibberish",),
    )


@pytest.mark.parametrize("name", REPORTS)
def test_no_verdict_depends_on_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    given, verdict = REPORTS[name]
    before, table = verdicts(given), plain([matrix(given)])
    assert given.verdict == verdict
    nonsense = {kind: words.RowWords(f"gibberish {i}", "gibberish") for i, kind in enumerate(RowKind)}
    monkeypatch.setattr(words, "ROW_WORDS", MappingProxyType(nonsense))
    monkeypatch.setattr(words, "AXES", MappingProxyType({}))
    other = renamed(given)
    assert verdicts(other) == before
    assert apply_int8_criteria(other, {}).verdict == verdict
    # And they were renamed.
    shown = plain([matrix(other)])
    assert shown != table and "gibberish 3" in shown
    page = html_report(other, {}, {}, Origin("", ""))
    assert "safe flips" not in page and "runtime, CPU" not in page


def test_what_computes_verdicts_has_no_words() -> None:
    package = Path(words.__file__).parent
    reading = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if "verification.words" in path.read_text(encoding="utf-8")
    }
    assert reading == {"html.py"}


def test_every_row_has_words_and_a_name_that_is_read_back() -> None:
    assert set(words.ROW_WORDS) == set(ROWS) == set(RowKind)
    for key in every_row():
        assert RowKey.parse(key.slug) == key
        assert "{" not in words.row_title(key) + words.row_about(key)
        assert words.recorded_title(key.slug) == words.row_title(key)
    assert RowKey.parse("stage 1 logits") is None and words.recorded_title("flux") == "flux"


def test_rows_that_have_no_budget_decide_nothing_and_all_others_something() -> None:
    for kind, spec in ROWS.items():
        assert (spec.budget is BudgetSource.NONE) == (not (spec.fp32 or spec.half or spec.int8)), kind


def test_rows_stand_in_the_order_in_which_the_model_computes() -> None:
    slugs = [key.slug for key in in_order(reversed(every_row()))]
    assert slugs[0] == "constants" and slugs[-1] == "labels_miou_drop"
    for earlier, later in (
        ("soft_map_1", "grouping_2_alone_decisions"),
        ("soft_map_2", "group_embeds"),
        ("labels_hf_against_free_reference", "labels_paper_safe_pixels"),
        ("labels_paper_against_free_reference", "labels_in_graph_safe_pixels"),
    ):
        assert slugs.index(later) == slugs.index(earlier) + 1
