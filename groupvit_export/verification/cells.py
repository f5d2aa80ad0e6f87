"""Cells of the matrix from what was measured."""

from __future__ import annotations

import math
from collections.abc import Sequence

from groupvit_export.verification.details import Counted, Detail, Part, Remark
from groupvit_export.verification.report import Cell, Place
from groupvit_runtime.manifest import Verdict


class MaxError:
    """The error that is largest for its budget, over cases."""

    def __init__(self) -> None:
        self._ratio = -math.inf
        self._value: float | None = None
        self._budget: float | None = None
        self._place: Place | None = None

    def update(self, value: float, budget: float, where: Place) -> None:
        """Take an error into account."""
        ratio = value / budget if budget else (math.inf if value else 0.0)
        if ratio > self._ratio:
            self._ratio, self._value, self._budget, self._place = ratio, value, budget, where

    def cell(self, *, too_noisy: bool = False, detail: Detail | None = None) -> Cell:
        """FAIL beyond the budget; AMBIGUOUS where the budget itself means nothing."""
        assert self._value is not None and self._budget is not None
        if self._ratio > 1:
            return Cell("FAIL", self._value, self._budget, detail, self._place)
        if too_noisy:
            return Cell("AMBIGUOUS", self._value, self._budget, Remark.TOO_NOISY, self._place)
        return Cell("PASS", self._value, self._budget, detail)


def count_cell(count: int, first: Place | None, detail: Detail | None = None) -> Cell:
    """A number of faults of which none is allowed."""
    return Cell("FAIL" if count else "PASS", float(count), 0.0, detail, first if count else None)


def faults_cell(faults: Sequence[Place], detail: Detail) -> Cell:
    """The same of faults whose places are known."""
    return count_cell(len(faults), next(iter(faults), None), detail)


def risk_cell(part: int, whole: int, limit: float | None, what: Counted) -> Cell:
    """A share that says how much a verdict proves; without a limit it informs."""
    share = part / whole if whole else 0.0
    detail = Part(part, whole, what)
    if limit is None:
        return information(share, detail)
    verdict: Verdict = "AMBIGUOUS" if share > limit else "PASS"
    return Cell(verdict, share, limit, detail)


def information(value: float, detail: Detail | None = None) -> Cell:
    """A figure without a verdict."""
    return Cell(None, value, None, detail)
