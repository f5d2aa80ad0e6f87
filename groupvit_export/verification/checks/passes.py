"""A row for every graph pass: the encoder with that pass alone, in float64."""

from __future__ import annotations

from collections.abc import Sequence

from groupvit_export.verification.backends import encoder_in_float64
from groupvit_export.verification.cases import Case
from groupvit_export.verification.cells import MaxError
from groupvit_export.verification.decisions import output_error
from groupvit_export.verification.reference import assignments
from groupvit_export.verification.report import Cell, Place
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_export.verification.specification import ReferenceContext, continuous


def pass_cells(truth: ReferenceContext, passes: Sequence[str], case: Case) -> dict[RowKey, Cell]:
    """The largest error of an output for its budget, with one pass at a time.

    Weights are rounded to float32 where a pass has multiplied them, as they ship; everything else is float64.
    """
    cells = {}
    for name in passes:
        outputs = encoder_in_float64(truth.subject.model, truth.subject.image_size, [name]).image(case.value)
        replay = truth.reference.replay(case.value, assignments(outputs))
        largest = MaxError()
        for output in continuous(replay):
            error, where = output_error(outputs[output], replay[output])
            largest.update(error, truth.budget(case.kind, output), Place(case.name, output, where))
        cells[RowKey(RowKind.PASS, name=name)] = largest.cell()
    return cells
