"""The parity summary of a manifest as a table."""

from __future__ import annotations

from groupvit_export.cli.tables import Block, table
from groupvit_export.verification.report import number
from groupvit_export.verification.words import recorded_title
from groupvit_runtime.manifest import Manifest, ParityRow


def parity_table(manifest: Manifest) -> list[Block]:
    """Decisions and errors of the engines against the reference, with the budgets they had."""
    parity = manifest.parity
    if parity is None:
        return ["parity with the reference: not recorded"]
    head = f"parity with the reference (float64): {parity.verdict}"
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
