"""Every run of an engine, and the errors of its outputs, replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from groupvit_export.errors import GroupViTError
from groupvit_export.verification.backends import Backend
from groupvit_export.verification.cases import Case
from groupvit_export.verification.cells import MaxError, count_cell
from groupvit_export.verification.checks.decisions import stage_cells
from groupvit_export.verification.decisions import output_error
from groupvit_export.verification.details import Counted, Refusal, Total
from groupvit_export.verification.reference import Arrays, assignments
from groupvit_export.verification.report import Cell, Place, broken
from groupvit_export.verification.rows import RowKey, RowKind, output_row
from groupvit_export.verification.specification import ReferenceContext, continuous

Runs = Mapping[Case, Arrays | Refusal]
"""Outputs by case, or why there are none."""


def run_cases(backend: Backend, cases: list[Case]) -> Runs:
    """Execute every case once."""
    return {case: _attempt(backend, case) for case in cases}


def image_cells(truth: ReferenceContext, runs: Runs) -> dict[RowKey, Cell]:
    """Decisions of every stage and errors of every output, replayed."""
    stages = range(1, truth.subject.stages + 1)
    ran = {case: run for case, run in runs.items() if not isinstance(run, Refusal)}
    refusals = [replace(run, case=case.name) for case, run in runs.items() if isinstance(run, Refusal)]
    all_ran = count_cell(0, None, Total(len(runs), Counted.INPUTS))
    cells: dict[RowKey, Cell] = {RowKey(RowKind.RUNS): broken(refusals[0]) if refusals else all_ran}
    if not ran:
        return cells
    replays = {
        case: truth.reference.replay(case.value, assignments(outputs)) for case, outputs in ran.items()
    }
    for stage in stages:
        cells |= stage_cells(truth, ran, replays, stage)
    for name in continuous(next(iter(ran.values()))):
        largest = MaxError()
        for case, outputs in ran.items():
            error, where = output_error(outputs[name], replays[case][name])
            largest.update(error, truth.budget(case.kind, name), Place(case.name, name, where))
        cells[output_row(name)] = largest.cell(too_noisy=truth.too_noisy(name))
    return cells


def _attempt(backend: Backend, case: Case) -> Arrays | Refusal:
    try:
        return backend.image(case.value)
    except GroupViTError as error:
        return Refusal(" ".join(str(error).split()))
