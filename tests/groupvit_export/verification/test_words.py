"""Verdicts are computed from typed rows: whatever the words are, they stay the same."""

from __future__ import annotations

import itertools
import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest

import groupvit_export.checkpoint.words as checkpoint_words
import groupvit_export.targets.words as target_words
import groupvit_export.verification.detail_words as detail_words
import groupvit_export.verification.words as words
from groupvit_export.checkpoint.notes import (
    AssumedSettings,
    DifferingSettings,
    NotCropped,
    PreprocessingNote,
    UnreadableSettings,
)
from groupvit_export.cli.matrix import matrix, verdict_lines
from groupvit_export.cli.tables import plain
from groupvit_export.html.page import Origin
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.metrics.judge import Quality
from groupvit_export.targets.inspection import (
    DecisionFault,
    Missing,
    MissingPart,
    Substitution,
    WrongDecision,
)
from groupvit_export.verification.api import Verification
from groupvit_export.verification.bisect import FirstDivergence
from groupvit_export.verification.cells import count_cell, information, risk_cell
from groupvit_export.verification.details import (
    BatchAndAlone,
    Caution,
    ChosenImages,
    Computation,
    Counted,
    Detail,
    Difference,
    Differences,
    GraphLabels,
    LabelAgreement,
    LayerNorms,
    LoadedEngine,
    MeanIoUs,
    Note,
    OtherCheckpoint,
    Part,
    PixelsAsFp32,
    Refusal,
    Remark,
    Repeats,
    ShrunkImages,
    Total,
    TurnedImages,
    WrongDecisions,
)
from groupvit_export.verification.html import html_report
from groupvit_export.verification.int8_criteria import apply_int8_criteria, label_cells
from groupvit_export.verification.report import Cell, Column, Place, Report, Row, broken, not_run, settled
from groupvit_export.verification.rows import ROWS, BudgetSource, RowKey, RowKind, Scope, in_order

FP32 = Quality(miou=80.0, agreement=100.0)
AGREEMENT = LabelAgreement(0.01, 0.9)
DETAILS = (
    *Remark,
    *(Missing(part, ("a name",)) for part in MissingPart),
    Refusal("the engine takes one image", "batch 3"),
    *(Total(2, of) for of in (Counted.SENTENCES, Counted.INPUTS, Counted.CASTS)),
    *(Part(0, 196, of) for of in list(Counted)[3:]),
    Differences((Difference("logit_scale", 2.0, 2.5),)),
    LayerNorms(30, 30, 1_000),
    *(WrongDecisions((WrongDecision(1, fault, ("HALF",)),)) for fault in DecisionFault),
    GraphLabels(1, 50_176, 2),
    AGREEMENT,
    replace(AGREEMENT, eager=0.3, too_noisy=True),
    Repeats(3, equal=False),
    BatchAndAlone(4, 2, 2),
    PixelsAsFp32(99.5, "40 images"),
    MeanIoUs(79.5, 80.0),
)
"""Everything that a cell can say."""
NOTES = (
    *Caution,
    OtherCheckpoint("a" * 64, "b" * 64),
    ShrunkImages(3),
    ChosenImages(100, 1_000),
    TurnedImages(2, 40),
    AssumedSettings(single_file=True),
    NotCropped("preprocessor_config.json", 224, (224, 224), (448, 448)),
    UnreadableSettings("a list"),
    DifferingSettings(("mean", "std")),
)
"""Everything that a report can say of itself."""
FOUND = FirstDivergence(3, 9, "Gelu", "gelu_3", "gelu_3_output", ("x",), 0.5, 1e-6, (0, 2))


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
    details = itertools.cycle(DETAILS)
    sound = {key.slug: count_cell(0, None, next(details)) for key in every_row()} | cells
    rows = [
        Row(key, {"engine": settled(key, sound[key.slug], precision)})
        for key in in_order(every_row())
        if key.spec.budget is not BudgetSource.LABEL_BUDGET
    ]
    substitution = Substitution("trt", precision, "no driver")
    columns = (Column("engine", LoadedEngine("runtime, CPU"), "onnx", precision, "cpu", substitution),)
    made = Report("bundle", "checkpoint", columns, tuple(rows), ("batch 1",), NOTES, 1.0)
    if precision != "int8":
        return made
    return apply_int8_criteria(
        made, {"engine": label_cells(Quality(79.5, 99.5), FP32, LabelBudget(), "40 images")}
    )


HERE = Place("batch 1", "logits_1", (0, 3, 17))
FLIPPED, REFUSED = Part(2, 196, Counted.FLIPPED_TOKENS), Refusal("too far")
UNSURE = risk_cell(9, 10, 0.05, Counted.IMAGE_TOKENS)
REPORTS = {
    "passing": (report("fp32"), "PASS"),
    "failing": (
        report("fp32", stage_2_safe_flips=count_cell(2, HERE, Part(2, 196, Counted.FLIPPED_TOKENS))),
        "FAIL",
    ),
    "ambiguous": (
        report("fp32", stage_1_tokens_at_risk=UNSURE),
        "AMBIGUOUS",
    ),
    "at risk in half": (
        report("bf16", stage_1_tokens_at_risk=UNSURE),
        "PASS",
    ),
    "labels in half": (report("bf16", labels_hf_against_free_reference=count_cell(1, None)), "FAIL"),
    "int8": (
        report("int8", stage_1_safe_flips=count_cell(2, HERE), masks=broken(REFUSED)),
        "PASS",
    ),
    "failing int8": (report("int8", stage_1_self_consistency=count_cell(2, HERE)), "FAIL"),
    "int8, not finite": (report("int8", masks=replace(information(math.inf), verdict="FAIL")), "FAIL"),
    "not run": (report("fp32", token_ids=not_run(Remark.NO_TOKENIZER)), "PASS"),
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


TABLES = (
    (words, "ROW_WORDS"),
    (words, "AXES"),
    (detail_words, "DETAIL_WORDS"),
    (detail_words, "COMPUTATION_WORDS"),
    (detail_words, "NOTE_WORDS"),
    (detail_words, "DIVERGENCE_WORDS"),
    (target_words, "SUBSTITUTE_WORDS"),
)


def rename_every_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    nonsense: dict[str, object] = {
        "ROW_WORDS": {kind: words.RowWords(f"gibberish {i}", "gibberish") for i, kind in enumerate(RowKind)},
        "AXES": {},
        "DETAIL_WORDS": dict.fromkeys(detail_words.DETAIL_WORDS, lambda detail: "gibberish"),
        "COMPUTATION_WORDS": dict.fromkeys(detail_words.COMPUTATION_WORDS, lambda found: "gibberish"),
        "NOTE_WORDS": dict.fromkeys(detail_words.NOTE_WORDS, lambda note: "gibberish"),
        "DIVERGENCE_WORDS": "gibberish",
        "SUBSTITUTE_WORDS": "gibberish",
    }
    for module, name in TABLES:
        monkeypatch.setattr(module, name, nonsense[name])


def shown_of(given: Report) -> str:
    """All that people and machines read of it: terminal, page, `--json`, provenance."""
    found = Verification(given, {}, {"engine": FOUND})
    return "\n".join(
        (
            plain([matrix(given)]),
            *verdict_lines(found),
            html_report(given, {}, found.divergences, Origin("", "")),
            json.dumps(words.report_json(given), ensure_ascii=False),
            repr(words.parity_summary(given, "engine")),
        )
    )


@pytest.mark.parametrize("name", REPORTS)
def test_no_verdict_depends_on_a_sentence(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    given, verdict = REPORTS[name]
    before, shown = verdicts(given), shown_of(given)
    sentences = {
        *(detail_words.detail_words(cell.detail) for row in given.rows for cell in row.cells.values()),
        *(detail_words.computation_words(column.computation) for column in given.columns),
        *(words.row_about(row.key) for row in given.rows),
        *map(detail_words.note_words, given.notes),
        "the trt engine itself was not run: no driver",
        "node 3 of 9: Gelu",
    } - {""}
    assert given.verdict == verdict
    assert {sentence for sentence in sentences if sentence not in shown} == set()
    rename_every_sentence(monkeypatch)
    assert verdicts(given) == before
    assert apply_int8_criteria(given, {}).verdict == verdict
    # And they were renamed.
    other = shown_of(given)
    assert {sentence for sentence in sentences if sentence in other} == set()


def test_everything_that_a_cell_or_a_column_can_say_has_words() -> None:
    assert {type(detail) for detail in DETAILS} == set(detail_words.DETAIL_WORDS) == set(get_args(Detail))
    assert set(detail_words.COMPUTATION_WORDS) == set(get_args(Computation))
    assert set(detail_words.REMARK_WORDS) == set(Remark) and set(detail_words.COUNTED_WORDS) == set(Counted)
    assert {type(note) for note in NOTES} == set(detail_words.NOTE_WORDS) == set(get_args(Note))
    assert set(detail_words.CAUTION_WORDS) == set(Caution)
    assert set(checkpoint_words.PREPROCESSING_WORDS) == set(get_args(PreprocessingNote))
    assert set(target_words.MISSING_WORDS) == set(MissingPart)
    assert set(target_words.DECISION_WORDS) == set(DecisionFault)
    assert len(set(map(detail_words.note_words, NOTES))) == len(NOTES)
    assert len({detail_words.detail_words(detail) for detail in DETAILS}) == len(DETAILS)


def test_what_computes_verdicts_has_no_words() -> None:
    package = Path(words.__file__).parent
    reading = {
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if re.search(r"from groupvit_export\.\S*words import", path.read_text(encoding="utf-8"))
    }
    assert reading == {"html.py", "words.py", "detail_words.py"}


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
