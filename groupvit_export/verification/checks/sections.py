"""The parts of a verification; each gives cells of one backend by row name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from groupvit_export.errors import GroupViTError
from groupvit_export.verification.backends import Backend
from groupvit_export.verification.cases import Case
from groupvit_export.verification.cells import MaxError, count_cell, information, place, risk_cell
from groupvit_export.verification.checks.grouping_attention import (
    OperatorFigures,
    compare_operator,
    operator_cases,
)
from groupvit_export.verification.decisions import (
    Index,
    StageFigures,
    StageView,
    compare_stage,
    logit_error,
    margins,
    output_error,
)
from groupvit_export.verification.reference import Arrays, assignments
from groupvit_export.verification.report import Cell, Place, broken, not_run
from groupvit_export.verification.specification import ReferenceContext, continuous

Cells = dict[str, Cell]

_REPEATS = 3


Runs = Mapping[Case, Arrays | str]
"""Outputs by case, or in words why there are none."""


def run_cases(backend: Backend, cases: list[Case]) -> Runs:
    """Execute every case once."""
    return {case: _attempt(backend, case) for case in cases}


def image_cells(truth: ReferenceContext, runs: Runs) -> Cells:
    """Decisions of every stage and errors of every output, replayed."""
    stages = range(1, truth.subject.stages + 1)
    refusals = [f"{case.name}: {run}" for case, run in runs.items() if isinstance(run, str)]
    cells: Cells = {"runs": broken(refusals[0]) if refusals else count_cell(0, None, f"{len(runs)} inputs")}
    ran = {case: run for case, run in runs.items() if not isinstance(run, str)}
    if not ran:
        return cells
    replays = {
        case: truth.reference.replay(case.value, assignments(outputs)) for case, outputs in ran.items()
    }
    for stage in stages:
        cells |= _stage_cells(truth, ran, replays, stage)
    for name in continuous(next(iter(ran.values()))):
        largest = MaxError()
        for case, outputs in ran.items():
            error, where = output_error(outputs[name], replays[case][name])
            largest.update(error, truth.budget(case.kind, name), place(case.name, name, where))
        cells[name] = largest.cell(too_noisy=truth.too_noisy(name))
    return cells


def _stage_cells(
    truth: ReferenceContext, ran: Mapping[Case, Arrays], replays: Mapping[Case, Arrays], stage: int
) -> Cells:
    logits, regret = MaxError(), MaxError()
    figures: list[StageFigures] = []
    safe_flips: list[Place] = []
    inconsistent: list[Place] = []
    for case, outputs in ran.items():
        candidate, reference = StageView.of(outputs, stage), StageView.of(replays[case], stage)
        budget = truth.budget(case.kind, f"logits_{stage}")
        error, where = logit_error(candidate, reference)
        logits.update(error, budget, place(case.name, f"logits_{stage}", where))
        found = compare_stage(candidate, reference, budget)
        figures.append(found)
        safe_flips += _places(case, f"assignment_{stage}", found.safe_flips)
        inconsistent += _places(case, f"assignment_{stage}", found.inconsistent)
        first = (found.safe_flips or ((),))[0]
        regret.update(found.regret, 2 * budget, place(case.name, f"assignment_{stage}", first))
    tokens, flips = sum(f.tokens for f in figures), sum(f.flips for f in figures)
    # On a white image most tokens are alike, and it is no evidence against the rest that they are.
    images = [f for f, case in zip(figures, ran, strict=True) if case.kind == "image"]
    at_risk, judged = sum(f.at_risk for f in images), sum(f.tokens for f in images)
    return {
        f"stage {stage} logits": logits.cell(too_noisy=truth.too_noisy(f"logits_{stage}")),
        f"stage {stage} self-consistency": count_cell(
            len(inconsistent),
            _first(inconsistent),
            f"{tokens - len(inconsistent):,} of {tokens:,} tokens are in the best group of its own soft map",
        ),
        f"stage {stage} safe flips": count_cell(
            len(safe_flips), _first(safe_flips), f"{flips} of {tokens:,} tokens flipped"
        ),
        f"stage {stage} flips at risk": information(float(flips - len(safe_flips))),
        f"stage {stage} tokens at risk": risk_cell(
            at_risk, judged, truth.budgets.at_risk_limit, "tokens of images"
        ),
        f"stage {stage} regret": regret.cell(),
        f"stage {stage} group count shift": information(float(max(f.shift for f in figures))),
    }


def text_cells(backend: Backend, truth: ReferenceContext, cases: list[Case]) -> Cells:
    """Errors of the text engine."""
    largest = MaxError()
    for case in cases:
        try:
            embeds = backend.text(case.value)
        except GroupViTError as error:
            return {"text_embeds": broken(f"{case.name}: {error}")}
        found, where = output_error(embeds, truth.reference.text(case.value))
        largest.update(found, truth.budget(case.kind, "text_embeds"), place(case.name, "text_embeds", where))
    return {"text_embeds": largest.cell(too_noisy=truth.too_noisy("text_embeds"))}


@dataclass
class _OperatorTally:
    flips: list[Place]
    all_flips: int
    tokens: int
    logits: MaxError
    means: MaxError


def operator_cells(backend: Backend, truth: ReferenceContext, eager: Backend) -> Cells:
    """The grouping attention of every stage by itself.

    Args:
        backend: what is judged.
        truth: budgets and the model's eps.
        eager: the same op in PyTorch, whose error on these inputs is the noise.
    """
    cells: Cells = {}
    eps = float(truth.subject.model.config.vision_config.assign_eps)
    for stage, shape in enumerate(truth.subject.stage_shapes, 1):
        names = [f"grouping {stage} alone: {what}" for what in ("decisions", "logits", "means")]
        if isinstance(backend.grouping, str) or isinstance(eager.grouping, str):
            cells |= dict.fromkeys(names, not_run(str(backend.grouping)))
            continue
        tally = _OperatorTally([], 0, 0, MaxError(), MaxError())
        try:
            for case in operator_cases(*shape):
                yardstick = compare_operator(
                    case, eager.grouping[stage - 1](case.query, case.tokens, case.bias), eps, 0.0
                )
                budget = truth.budgets.budget(yardstick.logit_error[0])
                outputs = backend.grouping[stage - 1](case.query, case.tokens, case.bias)
                _judge_operator(
                    tally, case.name, compare_operator(case, outputs, eps, budget), yardstick, truth
                )
        except GroupViTError as error:
            cells |= dict.fromkeys(names, broken(str(error)))
            continue
        detail = f"{tally.all_flips} of {tally.tokens:,} tokens flipped"
        cells[names[0]] = count_cell(len(tally.flips), _first(tally.flips), detail)
        cells[names[1]] = tally.logits.cell()
        cells[names[2]] = tally.means.cell()
    return cells


def _judge_operator(
    tally: _OperatorTally,
    case: str,
    found: OperatorFigures,
    yardstick: OperatorFigures,
    truth: ReferenceContext,
) -> None:
    tally.tokens += found.tokens
    tally.all_flips += found.flips
    tally.flips += [place(case, "index", index) for index in found.safe_flips]
    budgets = truth.budgets
    error, where = found.logit_error
    tally.logits.update(error, budgets.budget(yardstick.logit_error[0]), place(case, "soft", where))
    for output, mine, theirs in (
        ("means", found.means_error, yardstick.means_error),
        ("count", found.count_error, yardstick.count_error),
    ):
        tally.means.update(mine[0], budgets.budget(theirs[0]), place(case, output, mine[1]))


def stability_cells(backend: Backend, truth: ReferenceContext, case: Case, first: Arrays | str) -> Cells:
    """The same input again, and every image of a batch alone.

    Args:
        backend: what is judged.
        truth: budgets.
        case: a batch of several images.
        first: what it gave before.
    """
    if isinstance(first, str):
        return {"repeated runs": not_run(first), "batch against single": not_run(first)}
    return {
        "repeated runs": _repeat_cell(backend, truth, case, first),
        "batch against single": _batch_cell(backend, truth, case, first),
    }


def _repeat_cell(backend: Backend, truth: ReferenceContext, case: Case, first: Arrays) -> Cell:
    largest, equal = MaxError(), True
    for _ in range(_REPEATS - 1):
        again = backend.image(case.value)
        for name, value in first.items():
            if np.array_equal(value, again[name]):
                continue
            equal = False
            error, where = output_error(again[name], np.asarray(value, np.float64))
            quantity = name if name in continuous(first) else None
            budget = truth.budget(case.kind, quantity) if quantity else 0.0
            largest.update(error, budget, place(case.name, name, where))
    if equal:
        return count_cell(0, None, f"{_REPEATS} runs, equal to the bit")
    return largest.cell(detail=f"{_REPEATS} runs, not equal to the bit")


def _batch_cell(backend: Backend, truth: ReferenceContext, case: Case, batch: Arrays) -> Cell:
    changed: list[Place] = []
    excused = 0
    count = len(case.value)
    for image in range(count):
        try:
            alone = backend.image(case.value[image : image + 1])
        except GroupViTError as error:
            return broken(f"batch 1: {error}")
        reference = truth.reference.replay(case.value[image : image + 1], assignments(alone))
        clean = True
        for stage in range(1, truth.subject.stages + 1):
            name = f"assignment_{stage}"
            margin = margins(StageView.of(reference, stage))[0]
            budget = truth.budget(case.kind, f"logits_{stage}")
            differs = np.asarray(batch[name][image]) != np.asarray(alone[name][0])
            # Behind a token that may flip, another decision is no fault of this stage.
            safe = differs & (margin > 2 * budget) & clean
            excused += int(differs.sum() - safe.sum())
            changed += [place(case.name, name, (image, int(token))) for token in np.flatnonzero(safe)]
            clean = clean and not differs.any()
    detail = f"{count} images decided alike in a batch and alone"
    if changed or excused:
        detail = f"{len(changed) + excused} tokens decided otherwise alone, {excused} of them at risk"
    return count_cell(len(changed), _first(changed), detail)


def _attempt(backend: Backend, case: Case) -> Arrays | str:
    try:
        return backend.image(case.value)
    except GroupViTError as error:
        return " ".join(str(error).split())


def _places(case: Case, output: str, indices: tuple[Index, ...]) -> list[Place]:
    return [place(case.name, output, index) for index in indices]


def _first(places: list[Place]) -> Place | None:
    return places[0] if places else None
