"""A row for every graph pass: the encoder with that pass alone, in float64."""

from __future__ import annotations

from collections.abc import Sequence

from groupvit_export.verify.backends import encoder_in_float64
from groupvit_export.verify.cases import Case
from groupvit_export.verify.cells import Worst, place
from groupvit_export.verify.decisions import output_error
from groupvit_export.verify.reference import assignments
from groupvit_export.verify.report import Cell
from groupvit_export.verify.subject import Truth, continuous


def pass_row(name: str) -> str:
    """The name of a pass's row."""
    return f"pass {name}"


def pass_cells(truth: Truth, passes: Sequence[str], case: Case) -> dict[str, Cell]:
    """The largest error of an output for its budget, with one pass at a time.

    Weights are rounded to float32 where a pass has multiplied them, as they ship; everything else is float64.

    Args:
        truth: the reference and budgets.
        passes: that are applied.
        case: of pictures.
    """
    cells = {}
    for name in passes:
        outputs = encoder_in_float64(truth.subject.model, truth.subject.image_size, [name]).image(case.value)
        replay = truth.reference.replay(case.value, assignments(outputs))
        worst = Worst()
        for output in continuous(replay):
            error, where = output_error(outputs[output], replay[output])
            worst.offer(error, truth.budget(case.kind, output), place(case.name, output, where))
        cells[pass_row(name)] = worst.cell()
    return cells
