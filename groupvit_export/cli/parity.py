"""The parity summary of an export as a table."""

from __future__ import annotations

from groupvit_export.cli.tables import Block, table
from groupvit_export.provenance import ParityRow, ParitySummary, Provenance
from groupvit_export.verification.report import number
from groupvit_export.verification.words import recorded_title


def parity_tables(provenance: Provenance) -> tuple[list[Block], ...]:
    """One for the engines, and one for every further image engine."""
    further = (_parity_table(other.parity, f" of {other.precision}") for other in provenance.alternatives)
    return (_parity_table(provenance.parity, ""), *further)


def _parity_table(parity: ParitySummary, of: str) -> list[Block]:
    """Decisions and errors of the engines against the reference, with the budgets they had."""
    head = f"parity{of} with the reference (float64): {parity.verdict}"
    if parity.first is not None:
        head += f", first in {parity.first}"
    if parity.substitute is not None:
        head += f"\n{parity.substitute}"
    rows = [_row(row) for row in parity.rows]
    return [head, table(["", "measured", "at most", "verdict", ""], rows)]


def _row(row: ParityRow) -> list[str]:
    value = "not run" if row.verdict is None else "not finite"
    return [
        recorded_title(row.name),
        value if row.value is None else number(row.value),
        "" if row.budget is None else number(row.budget),
        row.verdict or "",
        row.detail,
    ]
