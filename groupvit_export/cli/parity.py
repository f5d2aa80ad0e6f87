"""The parity summary of a manifest as a table."""

from __future__ import annotations

from groupvit_export.cli.output import table
from groupvit_runtime.manifest import Manifest, ParitySummary


def parity_table(manifest: Manifest) -> str:
    """Decisions and errors of every engine against the reference, with the budgets they had."""
    rows = [row for role, summary in manifest.parity.items() for row in _rows(role, summary)]
    verdict = ", ".join(f"{role} {summary.verdict}" for role, summary in manifest.parity.items())
    return f"parity with the reference (float64): {verdict}\n" + table(
        ["engine", "output", "decisions", "max error", "tolerance"], rows
    )


def _rows(role: str, summary: ParitySummary) -> list[list[str]]:
    stages = [
        [
            role,
            f"assignment_{stage.stage}",
            f"{stage.flips} of {stage.tokens} tokens flipped",
            f"logits {stage.logit_error:.1e}",
            f"{stage.logit_budget:.1e}",
        ]
        for stage in summary.stages
    ]
    outputs = [
        [role, output.name, "", f"{output.max_error:.1e}", f"{output.tolerance:.1e}"]
        for output in summary.outputs
    ]
    return stages + outputs
