"""The precisions of a model as a table."""

from __future__ import annotations

from collections.abc import Sequence

from groupvit_export.cli.tables import Block, table
from groupvit_export.provenance import PrecisionChoice, PrecisionRow


def precision_table(precisions: Sequence[PrecisionRow]) -> list[Block]:
    """Verdict, mIoU, agreement and latency of every precision; empty where there is only one."""
    if not precisions:
        return []
    header = ["precision", "verdict", "mIoU", "pixels as in fp32", "image engine", "of fp32"]
    details = dict.fromkeys(row.detail for row in precisions)
    lines = [f"  {detail}" for detail in details]
    return [table(header, [_row(row) for row in precisions]), *lines]


def choice_line(choice: PrecisionChoice | None) -> list[Block]:
    """What `--precision auto` chose, and from what; empty where a precision was asked for."""
    return [] if choice is None else [f"precision: {choice.words}"]


def _row(row: PrecisionRow) -> list[str]:
    return [
        row.precision,
        row.verdict,
        _figure(row.miou, "{:.2f} %"),
        _figure(row.agreement, "{:.2f} %"),
        _figure(row.latency_ms, "{:.2f} ms"),
        "" if row.ratio is None or row.spread is None else f"{row.ratio:.2f} ± {row.spread:.2f}",
    ]


def _figure(value: float | None, form: str) -> str:
    return "not measured" if value is None else form.format(value)
