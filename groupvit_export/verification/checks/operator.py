"""The grouping attention of every stage by itself, cut out of the engine."""

from __future__ import annotations

from dataclasses import dataclass

from groupvit_export.errors import GroupViTError
from groupvit_export.targets.inspection import Missing
from groupvit_export.verification.backends import Backend
from groupvit_export.verification.cells import MaxError, faults_cell
from groupvit_export.verification.checks.grouping_attention import (
    OperatorFigures,
    compare_operator,
    operator_cases,
)
from groupvit_export.verification.details import Counted, Part, Refusal
from groupvit_export.verification.report import Cell, Place, broken, not_run
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_export.verification.specification import ReferenceContext

_KINDS = (RowKind.GROUPING_DECISIONS, RowKind.GROUPING_LOGITS, RowKind.GROUPING_MEANS)


@dataclass
class _OperatorTally:
    flips: list[Place]
    all_flips: int
    tokens: int
    logits: MaxError
    means: MaxError


def operator_cells(backend: Backend, truth: ReferenceContext, eager: Backend) -> dict[RowKey, Cell]:
    """The grouping attention of every stage by itself.

    Args:
        backend: what is judged.
        truth: budgets and the model's eps.
        eager: the same op in PyTorch, whose error on these inputs is the noise.
    """
    cells: dict[RowKey, Cell] = {}
    eps = float(truth.subject.model.config.vision_config.assign_eps)
    for stage, shape in enumerate(truth.subject.stage_shapes, 1):
        rows = [RowKey(kind, stage) for kind in _KINDS]
        if isinstance(backend.grouping, Missing) or isinstance(eager.grouping, Missing):
            assert isinstance(backend.grouping, Missing)  # PyTorch always has the op
            cells |= dict.fromkeys(rows, not_run(backend.grouping))
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
            cells |= dict.fromkeys(rows, broken(Refusal(str(error))))
            continue
        detail = Part(tally.all_flips, tally.tokens, Counted.FLIPPED_TOKENS)
        cells[rows[0]] = faults_cell(tally.flips, detail)
        cells[rows[1]] = tally.logits.cell()
        cells[rows[2]] = tally.means.cell()
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
    tally.flips += [Place(case, "index", index) for index in found.safe_flips]
    budgets = truth.budgets
    error, where = found.logit_error
    tally.logits.update(error, budgets.budget(yardstick.logit_error[0]), Place(case, "soft", where))
    for output, mine, theirs in (
        ("means", found.means_error, yardstick.means_error),
        ("count", found.count_error, yardstick.count_error),
    ):
        tally.means.update(mine[0], budgets.budget(theirs[0]), Place(case, output, mine[1]))
