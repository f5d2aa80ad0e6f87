"""Errors of the text engine."""

from __future__ import annotations

from groupvit_export.errors import GroupViTError
from groupvit_export.verification.backends import Backend
from groupvit_export.verification.cases import Case
from groupvit_export.verification.cells import MaxError
from groupvit_export.verification.decisions import output_error
from groupvit_export.verification.details import Refusal
from groupvit_export.verification.report import Cell, Place, broken
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_export.verification.specification import ReferenceContext

_ROW = RowKey(RowKind.TEXT_EMBEDS)


def text_cells(backend: Backend, truth: ReferenceContext, cases: list[Case]) -> dict[RowKey, Cell]:
    """Errors of the text engine."""
    largest = MaxError()
    for case in cases:
        try:
            embeds = backend.text(case.value)
        except GroupViTError as error:
            return {_ROW: broken(Refusal(str(error), case.name))}
        found, where = output_error(embeds, truth.reference.text(case.value))
        largest.update(found, truth.budget(case.kind, "text_embeds"), Place(case.name, "text_embeds", where))
    return {_ROW: largest.cell(too_noisy=truth.too_noisy("text_embeds"))}
