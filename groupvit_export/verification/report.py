"""What a verification says: a matrix of rows (outputs and decisions) and columns (backends)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from groupvit_export.targets.inspection import Substitution
from groupvit_export.verification.details import Computation, Detail, Note, Refusal
from groupvit_export.verification.rows import RowKey
from groupvit_runtime.manifest import Verdict

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
    """

    case: str
    output: str
    index: tuple[int, ...]


@dataclass(frozen=True)
class Cell:
    """One row of one backend.

    Attributes:
        verdict: None where it was not run, or only informs.
        value: what was measured; None where it was not run.
        budget: what it may be at most; None where the row only informs.
        detail: what is known beside the figure; None for nothing.
        place: where it is worst, for a verdict other than PASS.
    """

    verdict: Verdict | None
    value: float | None
    budget: float | None
    detail: Detail | None = None
    place: Place | None = None


def settled(row: RowKey, cell: Cell, precision: str) -> Cell:
    """The cell as an engine of `precision` is judged by it: information where its row does not decide."""
    if row.spec.decides(precision):
        return cell
    # Outputs that are not finite are wrong in any precision.
    if cell.value is not None and not math.isfinite(cell.value):
        return replace(cell, verdict="FAIL")
    return replace(cell, verdict=None, budget=None, place=None)


def number(value: float) -> str:
    """A figure for people: counts as counts, everything else with two digits."""
    if not math.isfinite(value):
        return "not finite"
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    return f"{value:.1f}" if 1 <= abs(value) < 100 else f"{value:.1e}"


def not_run(why: Detail) -> Cell:
    """A cell that could not be measured; it says why."""
    return Cell(None, None, None, why)


def broken(why: Refusal) -> Cell:
    """A cell whose backend refused to compute it."""
    return Cell("FAIL", None, None, why)


@dataclass(frozen=True)
class Row:
    """One output or decision; `cells` are by column name."""

    key: RowKey
    cells: Mapping[str, Cell]

    @property
    def name(self) -> str:
        """As reports and manifests call it: "stage_1_safe_flips"."""
        return self.key.slug


@dataclass(frozen=True)
class Column:
    """A backend.

    Attributes:
        name: of the column.
        computation: what really computed.
        target: of the engine that is judged; None for PyTorch itself.
        precision: of the engine that is judged.
        device: "cpu" or "cuda", where it was run.
        substitution: what was run in place of the engine; None where that itself ran.
    """

    name: str
    computation: Computation
    target: str | None
    precision: str
    device: str
    substitution: Substitution | None = None


@dataclass(frozen=True)
class Finding:
    """Where a column first left its budget, in the order in which the model computes."""

    column: str
    row: RowKey
    cell: Cell


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
    notes: tuple[Note, ...]
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
            found.append(Finding(column.name, row.key, row.cells[column.name]))
        return tuple(found)

    def cell(self, row: RowKey | str, column: str) -> Cell:
        """The cell of a row and a column, both by name or the row by its key.

        Raises:
            KeyError: there is none.
        """
        for candidate in self.rows:
            if row in (candidate.key, candidate.name):
                return candidate.cells[column]
        raise KeyError(row)


def joined(reports: Sequence[Report]) -> Report:
    """One report of several image engines of a bundle: the columns of the first, and of the others those that
    are new. A row has the cells of all.

    Args:
        reports: at least one; of the same bundle, checkpoint and rows, of which some may be missing.
    """
    first = reports[0]
    columns = {column.name: column for report in reversed(reports) for column in report.columns}
    names = dict.fromkeys(column.name for report in reports for column in report.columns)
    cells: dict[RowKey, dict[str, Cell]] = {}
    for report in reports:
        for row in report.rows:
            known = cells.setdefault(row.key, {})
            known.update({name: cell for name, cell in row.cells.items() if name not in known})
    return replace(
        first,
        columns=tuple(columns[name] for name in names),
        rows=tuple(Row(key, found) for key, found in cells.items()),
        cases=tuple(dict.fromkeys(case for report in reports for case in report.cases)),
        notes=tuple(dict.fromkeys(note for report in reports for note in report.notes)),
        seconds=sum(report.seconds for report in reports),
    )
