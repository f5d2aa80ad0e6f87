"""Which group every token of a stage joined, against the replay."""

from __future__ import annotations

from collections.abc import Mapping

from groupvit_export.verification.cases import Case
from groupvit_export.verification.cells import MaxError, faults_cell, information, risk_cell
from groupvit_export.verification.decisions import Index, StageFigures, StageView, compare_stage, logit_error
from groupvit_export.verification.details import Counted, Part
from groupvit_export.verification.reference import Arrays
from groupvit_export.verification.report import Cell, Place
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_export.verification.specification import ReferenceContext


def stage_cells(
    truth: ReferenceContext, ran: Mapping[Case, Arrays], replays: Mapping[Case, Arrays], stage: int
) -> dict[RowKey, Cell]:
    """What one grouping block decided, over all runs."""
    logits, regret = MaxError(), MaxError()
    figures: list[StageFigures] = []
    safe_flips: list[Place] = []
    inconsistent: list[Place] = []
    for case, outputs in ran.items():
        candidate, reference = StageView.of(outputs, stage), StageView.of(replays[case], stage)
        budget = truth.budget(case.kind, f"logits_{stage}")
        error, where = logit_error(candidate, reference)
        logits.update(error, budget, Place(case.name, f"logits_{stage}", where))
        found = compare_stage(candidate, reference, budget)
        figures.append(found)
        safe_flips += _places(case, f"assignment_{stage}", found.safe_flips)
        inconsistent += _places(case, f"assignment_{stage}", found.inconsistent)
        first = (found.safe_flips or ((),))[0]
        regret.update(found.regret, 2 * budget, Place(case.name, f"assignment_{stage}", first))
    tokens, flips = sum(f.tokens for f in figures), sum(f.flips for f in figures)
    # On a white image most tokens are alike, and it is no evidence against the rest that they are.
    images = [f for f, case in zip(figures, ran, strict=True) if case.kind == "image"]
    at_risk, judged = sum(f.at_risk for f in images), sum(f.tokens for f in images)
    return {
        RowKey(RowKind.STAGE_LOGITS, stage): logits.cell(too_noisy=truth.too_noisy(f"logits_{stage}")),
        RowKey(RowKind.STAGE_SELF_CONSISTENCY, stage): faults_cell(
            inconsistent,
            Part(tokens - len(inconsistent), tokens, Counted.CONSISTENT_TOKENS),
        ),
        RowKey(RowKind.STAGE_SAFE_FLIPS, stage): faults_cell(
            safe_flips, Part(flips, tokens, Counted.FLIPPED_TOKENS)
        ),
        RowKey(RowKind.STAGE_FLIPS_AT_RISK, stage): information(float(flips - len(safe_flips))),
        RowKey(RowKind.STAGE_TOKENS_AT_RISK, stage): risk_cell(
            at_risk, judged, truth.budgets.at_risk_limit, Counted.IMAGE_TOKENS
        ),
        RowKey(RowKind.STAGE_REGRET, stage): regret.cell(),
        RowKey(RowKind.STAGE_GROUP_COUNT_SHIFT, stage): information(float(max(f.shift for f in figures))),
    }


def _places(case: Case, output: str, indices: tuple[Index, ...]) -> list[Place]:
    return [Place(case.name, output, index) for index in indices]
