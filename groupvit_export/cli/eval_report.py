"""The report of an evaluation on a terminal."""

from __future__ import annotations

from groupvit_export.cli.tables import Block, Table, separated, table
from groupvit_export.evaluate.report import Report
from groupvit_export.evaluate.words import circumstances, percent, shares


def report_blocks(report: Report) -> list[Block]:
    """The table of classes and the summary; shares in percent.

    "-" stands for a class without IoU (neither in the truth nor predicted), or without accuracy. Images that
    failed are counted: each was named, with its fix, when it did.
    """
    return separated(([_classes(report)], [_summary(report)]))


def _classes(report: Report) -> Table:
    header = ["class", "IoU", "accuracy", "truth pixels", "predicted pixels"]
    rows = [
        [
            item.name,
            percent(item.iou),
            percent(item.accuracy),
            f"{item.truth_pixels:,}",
            f"{item.predicted_pixels:,}",
        ]
        for item in report.classes
    ]
    return table(header, rows, numbers_from=1)


def _summary(report: Report) -> str:
    lines = {name: f"{percent(share):>6}" for name, share in shares(report).items()}
    lines |= circumstances(report)
    width = max(map(len, lines))
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in lines.items())
