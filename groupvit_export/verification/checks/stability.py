"""The same input again, and every image of a batch alone."""

from __future__ import annotations

import numpy as np

from groupvit_export.errors import GroupViTError
from groupvit_export.verification.backends import Backend
from groupvit_export.verification.cases import Case
from groupvit_export.verification.cells import MaxError, count_cell, faults_cell
from groupvit_export.verification.decisions import StageView, margins, output_error
from groupvit_export.verification.details import BatchAndAlone, Refusal, Repeats
from groupvit_export.verification.reference import Arrays, assignments
from groupvit_export.verification.report import Cell, Place, broken, not_run
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_export.verification.specification import ReferenceContext, continuous

_REPEATS = 3


def stability_cells(
    backend: Backend, truth: ReferenceContext, case: Case, first: Arrays | Refusal
) -> dict[RowKey, Cell]:
    """The same input again, and every image of a batch alone."""
    if isinstance(first, Refusal):
        return {
            RowKey(RowKind.REPEATED_RUNS): not_run(first),
            RowKey(RowKind.BATCH_AGAINST_SINGLE): not_run(first),
        }
    return {
        RowKey(RowKind.REPEATED_RUNS): _repeat_cell(backend, truth, case, first),
        RowKey(RowKind.BATCH_AGAINST_SINGLE): _batch_cell(backend, truth, case, first),
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
            largest.update(error, budget, Place(case.name, name, where))
    if equal:
        return count_cell(0, None, Repeats(_REPEATS, equal=True))
    return largest.cell(detail=Repeats(_REPEATS, equal=False))


def _batch_cell(backend: Backend, truth: ReferenceContext, case: Case, batch: Arrays) -> Cell:
    changed: list[Place] = []
    excused = 0
    count = len(case.value)
    for image in range(count):
        try:
            alone = backend.image(case.value[image : image + 1])
        except GroupViTError as error:
            return broken(Refusal(str(error), "batch 1"))
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
            changed += [Place(case.name, name, (image, int(token))) for token in np.flatnonzero(safe)]
            clean = clean and not differs.any()
    detail = BatchAndAlone(count, len(changed) + excused, excused)
    return faults_cell(changed, detail)
