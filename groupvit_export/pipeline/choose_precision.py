"""Which of the precisions that were built `--precision auto` keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from groupvit_export.pipeline.candidates import FLOAT32, PrecisionPlan
from groupvit_export.provenance import Candidate, PrecisionChoice, PrecisionRow


def choose_precision(
    plan: PrecisionPlan, rows: Sequence[PrecisionRow], refused: Mapping[str, str]
) -> PrecisionChoice:
    """The fastest whose verdict is PASS; where nothing was timed the first of the plan.

    Float32 is kept where nothing else is faster by more than the spread of what was measured.

    Args:
        plan: what was to be built.
        rows: of what was, float32 among them.
        refused: why the others were not, by precision.
    """
    by_name = {row.precision: row for row in rows}
    candidates = tuple(_candidate(name, by_name.get(name), refused.get(name)) for name in plan.order)
    fit = [row for row in candidates if row.reason is None]
    faster = [row for row in fit if row.ratio is not None and row.ratio + (row.spread or 0.0) < 1.0]
    if plan.timed:
        chosen = min(faster, key=lambda row: row.ratio or 1.0).precision if faster else FLOAT32
    else:
        chosen = fit[0].precision if fit else FLOAT32
    return PrecisionChoice(chosen, plan.processor, plan.timed, candidates)


def fastest_first(rows: Sequence[PrecisionRow], kept: Sequence[str]) -> tuple[str, ...]:
    """Precisions of a bundle by speed, float32 before those without a PASS; empty where nothing was timed."""
    of = {row.precision: row for row in rows if row.precision in kept}
    if len(of) < 2 or any(row.ratio is None for row in of.values()):
        return ()

    def place(name: str) -> float:
        row = of[name]
        ratio = row.ratio or 1.0
        if name == FLOAT32:
            return 1.0
        # What is not faster beyond doubt, or is not the model, comes after float32.
        return ratio if ratio + (row.spread or 0.0) < 1.0 and row.verdict == "PASS" else 1.0 + ratio

    return tuple(sorted(of, key=place))


def _candidate(name: str, row: PrecisionRow | None, reason: str | None) -> Candidate:
    if row is None:
        return Candidate(name, None, None, None, reason or "not built")
    if name != FLOAT32 and row.verdict != "PASS":
        return Candidate(name, row.verdict, row.ratio, row.spread, f"its verdict is {row.verdict}")
    return Candidate(name, row.verdict, row.ratio, row.spread, None)
