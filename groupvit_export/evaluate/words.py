"""An evaluation in words: the same on a terminal and on a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from groupvit_export.evaluate.report import Report
from groupvit_export.evaluate.setting import Source

_TEMPLATES_NAMED: Final = 2
_WHOSE: Final[Mapping[Source, str]] = {"data set": "the data set's", "bundle": "the bundle's"}


def percent(share: float | None) -> str:
    """Two decimals; "-" where there is nothing to divide by."""
    return "-" if share is None else f"{100 * share:.2f}"


def shares(report: Report) -> dict[str, float | None]:
    """The means by name."""
    return {
        "mIoU": report.miou,
        **{f"mIoU of {name}": subset.miou for name, subset in report.subsets.items()},
        "pixel accuracy": report.pixel_accuracy,
        "mean accuracy": report.mean_accuracy,
    }


def circumstances(report: Report) -> dict[str, str]:
    """What the means are of, by name."""
    identity = report.identity
    lines = {"images": _images(report), "ignored": _ignored(report)}
    if report.speed.runs:
        run = report.speed.runs[-1]
        threads = "the engine's own choice" if run.threads is None else str(run.threads)
        lines["speed"] = (
            f"{report.speed.images_per_second:.1f} images/s (workers {run.workers}, threads {threads})"
        )
    lines["decode"] = identity.decode
    if report.choices.threshold is not None:
        lines["background"] = f"below {identity.background_threshold} ({_whose_threshold(report)})"
    lines["templates"] = f"{_quoted(identity.templates)} ({_whose_templates(report)})"
    lines["engine"] = identity.engine
    return lines


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


def _ignored(report: Report) -> str:
    if not report.ignored_pixels:
        return "no pixel"
    return f"{report.ignored_pixels:,} pixels, {percent(report.ignored_share)} % of all"


def _whose_threshold(report: Report) -> str:
    choices = report.choices
    if choices.threshold != "command line":
        return "the data set's"
    same = report.identity.background_threshold == choices.dataset_threshold
    return _given("--background-threshold", same, str(choices.dataset_threshold))


def _whose_templates(report: Report) -> str:
    choices, own = report.choices, report.choices.dataset_templates
    if choices.templates != "command line":
        return _WHOSE[choices.templates]
    if own is None:
        return "--templates, in place of the bundle's"
    return _given("--templates", report.identity.templates == own, _quoted(own))


def _given(option: str, same: bool, own: str) -> str:
    return f"{option}, as the data set's own" if same else f"{option}; the data set's own: {own}"


def _quoted(templates: Sequence[str]) -> str:
    named = ", ".join(f'"{template}"' for template in templates[:_TEMPLATES_NAMED])
    more = len(templates) - _TEMPLATES_NAMED
    return f"{named} and {more} more" if more > 0 else named
