"""The report of an evaluation on a terminal."""

from __future__ import annotations

from typing import Final

from groupvit_export.cli.tables import Block, Table, separated, table
from groupvit_export.evaluate.report import Report

_SHOWN_FAILURES: Final = 20


def report_blocks(report: Report) -> list[Block]:
    """The table of classes, the failures, and the summary; shares in percent.

    "-" stands for a class without IoU (neither in the truth nor predicted), or without accuracy.
    """
    failures = _failures(report)
    return separated(([_classes(report)], [failures] if failures else [], [_summary(report)]))


def _classes(report: Report) -> Table:
    header = ["class", "IoU", "accuracy", "truth pixels", "predicted pixels"]
    rows = [
        [
            item.name,
            _percent(item.iou),
            _percent(item.accuracy),
            f"{item.truth_pixels:,}",
            f"{item.predicted_pixels:,}",
        ]
        for item in report.classes
    ]
    return table(header, rows, numbers_from=1)


def _failures(report: Report) -> str:
    if not report.failed:
        return ""
    lines = [f"{len(report.failed)} of the images could not be evaluated:"]
    lines += [f"  {failed.line}" for failed in report.failed[:_SHOWN_FAILURES]]
    if len(report.failed) > _SHOWN_FAILURES:
        lines.append(f"  and {len(report.failed) - _SHOWN_FAILURES} more, all in report.json")
    return "\n".join(lines)


def _summary(report: Report) -> str:
    shares = {
        "mIoU": report.miou,
        **{f"mIoU of {name}": subset.miou for name, subset in report.subsets.items()},
        "pixel accuracy": report.pixel_accuracy,
        "mean accuracy": report.mean_accuracy,
    }
    lines = {name: f"{_percent(share):>6}" for name, share in shares.items()}
    lines["images"] = _images(report)
    if report.speed.runs:
        run = report.speed.runs[-1]
        threads = "the engine's own choice" if run.threads is None else str(run.threads)
        lines["speed"] = (
            f"{report.speed.images_per_second:.1f} images/s (workers {run.workers}, threads {threads})"
        )
    identity = report.identity
    lines["decode"] = identity.decode + (
        "" if identity.background_threshold is None else f", background below {identity.background_threshold}"
    )
    lines["engine"] = identity.engine
    width = max(map(len, lines))
    return "\n".join(f"{name.ljust(width)}  {value}" for name, value in lines.items())


def _images(report: Report) -> str:
    count = report.images
    if not report.partial:
        return f"{count.measured}, all of {report.identity.dataset}"
    reasons = []
    if count.wanted < count.total:
        reasons.append(f"limited to {count.wanted}")
    if count.failed:
        reasons.append(f"{count.failed} failed")
    return f"partial: {count.measured} of {count.total} images ({', '.join(reasons)})"


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.2f}"
