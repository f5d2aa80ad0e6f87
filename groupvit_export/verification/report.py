"""What a verification says: a matrix of rows (outputs and decisions) and columns (backends)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from groupvit_runtime.manifest import ParityRow, ParitySummary, Verdict

EXIT_CODES: Final[Mapping[Verdict, int]] = {"PASS": 0, "AMBIGUOUS": 4, "FAIL": 3}

_ORDER: Final[tuple[Verdict, ...]] = ("PASS", "AMBIGUOUS", "FAIL")


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """FAIL over AMBIGUOUS over PASS; PASS where there are none."""
    return max(verdicts, key=_ORDER.index, default="PASS")


@dataclass(frozen=True)
class Place:
    """Where a row first left its budget.

    Attributes:
        case: the run, by name.
        output: the tensor.
        index: of its element: image, then what the tensor has; empty for the whole tensor.
        meaning: the index in words, "image 0, token 17".
    """

    case: str
    output: str
    index: tuple[int, ...]
    meaning: str

    def __str__(self) -> str:
        return f"{self.output}, {self.case}" + (f", {self.meaning}" if self.meaning else "")


@dataclass(frozen=True)
class Cell:
    """One row of one backend.

    Attributes:
        verdict: None where it was not run, or only informs.
        value: what was measured; None where it was not run.
        budget: what it may be at most; None where the row only informs.
        detail: the rest, in words.
        place: where it is worst, for a verdict other than PASS.
    """

    verdict: Verdict | None
    value: float | None
    budget: float | None
    detail: str = ""
    place: Place | None = None


def number(value: float) -> str:
    """A figure for people: counts as counts, everything else with two digits."""
    if not math.isfinite(value):
        return "not finite"
    return str(int(value)) if value == int(value) and abs(value) < 1e9 else f"{value:.1e}"


def not_run(why: str) -> Cell:
    """A cell that could not be measured; it says why."""
    return Cell(None, None, None, why)


def broken(why: str) -> Cell:
    """A cell whose backend refused to compute it."""
    return Cell("FAIL", None, None, why)


@dataclass(frozen=True)
class Row:
    """One output or decision. `about` is a sentence for people; `cells` are by column name."""

    name: str
    about: str
    cells: Mapping[str, Cell]


@dataclass(frozen=True)
class Column:
    """A backend: its name, what really computed (runtime, version, device, precision), in place of what."""

    name: str
    description: str
    substitute: str | None = None


@dataclass(frozen=True)
class Finding:
    """Where a column first left its budget, in the order in which the model computes."""

    column: str
    row: str
    cell: Cell

    def __str__(self) -> str:
        where = f" at {self.cell.place}" if self.cell.place else ""
        detail = f" ({self.cell.detail})" if self.cell.detail else ""
        return f"{self.column}: {self.row}{where}{detail}"


@dataclass(frozen=True)
class Report:
    """A whole verification.

    Attributes:
        bundle: its name.
        checkpoint: what it was held against.
        columns: the backends in order.
        rows: in the order in which the model computes.
        cases: names of the inputs.
        notes: what a reader must know: what was assumed, what was left out.
        seconds: wall time.
    """

    bundle: str
    checkpoint: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    cases: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """The worst of all cells."""
        return worst(self.column_verdict(column.name) for column in self.columns)

    def column_verdict(self, column: str) -> Verdict:
        """The worst of a column's cells."""
        cells = (row.cells.get(column) for row in self.rows)
        return worst(cell.verdict for cell in cells if cell is not None and cell.verdict is not None)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Of every column that did not pass, the first row of its worst verdict."""
        found = []
        for column in self.columns:
            verdict = self.column_verdict(column.name)
            if verdict == "PASS":
                continue
            row = next(
                row
                for row in self.rows
                if column.name in row.cells and row.cells[column.name].verdict == verdict
            )
            found.append(Finding(column.name, row.name, row.cells[column.name]))
        return tuple(found)

    def cell(self, row: str, column: str) -> Cell:
        """The cell of a row and a column by name.

        Raises:
            KeyError: there is none.
        """
        for candidate in self.rows:
            if candidate.name == row:
                return candidate.cells[column]
        raise KeyError(row)

    def summary(self, column: str) -> ParitySummary:
        """What the manifest keeps of one column."""
        first = next((str(finding) for finding in self.findings if finding.column == column), None)
        return ParitySummary(
            verdict=self.column_verdict(column),
            cases=self.cases,
            rows=tuple(
                ParityRow(row.name, cell.verdict, cell.value, cell.budget, cell.detail)
                for row in self.rows
                if (cell := row.cells.get(column)) is not None
            ),
            first=first,
            substitute=next(c.substitute for c in self.columns if c.name == column),
        )
