"""The matrix of a verification on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from groupvit_export.cli.tables import Table, table
from groupvit_export.verification.detail_words import computation_words, divergence_words
from groupvit_export.verification.report import number
from groupvit_export.verification.words import finding_words, report_notes, row_title

if TYPE_CHECKING:
    from groupvit_export.verification.api import Verification
    from groupvit_export.verification.report import Cell, Report


def matrix(report: Report) -> Table:
    """Rows are outputs and decisions, columns are backends; the last one says what may be at most."""
    columns = [column.name for column in report.columns]
    rows = [
        [
            row_title(row.key),
            *(_cell(row.cells.get(column)) for column in columns),
            _budget(list(row.cells.values())),
        ]
        for row in report.rows
    ]
    verdicts = ["verdict", *(report.column_verdict(column) for column in columns), ""]
    return table(["", *columns, "at most"], [*rows, verdicts])


def verdict_lines(found: Verification) -> list[str]:
    """What was compared with what, and where it failed first."""
    report = found.report
    lines = [f"{column.name}: {computation_words(column.computation)}" for column in report.columns]
    lines += [f"note: {line}" for line in report_notes(report)]
    lines.append(
        f"{report.verdict}: bundle {report.bundle} against {report.checkpoint}, "
        f"{len(report.cases)} runs in {report.seconds:.1f} s"
    )
    for finding in report.findings:
        verdict = report.column_verdict(finding.column)
        lines.append(f"  {verdict} first in {finding_words(finding)}")
    lines += [f"  bisect {column}: {divergence_words(node)}" for column, node in found.divergences.items()]
    return lines


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return ""
    if cell.value is None:
        return "not run" if cell.verdict is None else cell.verdict
    mark = "" if cell.verdict in (None, "PASS") else f" {cell.verdict}"
    return f"{number(cell.value)}{mark}"


def _budget(cells: list[Cell]) -> str:
    budgets = [cell.budget for cell in cells if cell.budget is not None]
    return number(max(budgets)) if budgets else ""
