"""The report of an evaluation as one HTML page that needs nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from groupvit_export.evaluate.report import Report
from groupvit_export.evaluate.words import circumstances, percent, shares
from groupvit_export.html.page import Cells, Figure, Headline, Origin, photograph, render, warnings_below

_LONG_SIDE: Final = 1600
_CONFUSIONS: Final = 10


def html_report(report: Report, output: Path, origin: Origin) -> str:
    """The whole page.

    Args:
        report: of the evaluation.
        output: the folder that its worst images are below.
        origin: command and date.

    Returns:
        HTML with its images inside.

    Raises:
        MissingDependencyError: what makes pages is not installed.
    """
    return render(
        "evaluation.html.j2",
        _headline(report),
        origin,
        report=report,
        classes=[_class(report, index) for index in range(len(report.classes))],
        means={name: f"{percent(share)} %" for name, share in shares(report).items() if share is not None},
        circumstances={
            **circumstances(report),
            "bundle": report.request.options.bundle,
            "data set": f"{report.identity.dataset} at {report.request.options.root}",
        },
        confusions=_confusions(report),
        worst=[_figure(output / drawn.file, drawn.key) for drawn in report.worst if drawn.file is not None],
    )


def _headline(report: Report) -> Headline:
    identity, images = report.identity, report.images
    name = Path(report.request.options.root).name if identity.dataset == "folder" else identity.dataset
    title = f"{Path(report.request.options.bundle).name} on {name}"
    if report.miou is None:
        sentence = "No pixel was measured, so there is no mIoU."
        return Headline(title, "nothing measured", "bad", sentence + _doubt(report))
    counted = sum(item.iou is not None for item in report.classes)
    of = f"{images.measured} of {images.total} images" if report.partial else f"all {images.measured} images"
    sentence = (
        f"The mean intersection over union of {counted} classes, over {of} of {name}; "
        f"{percent(report.pixel_accuracy)} % of the pixels that count got their true class."
    )
    tone = "doubtful" if report.partial or report.notes else "neutral"
    return Headline(title, f"mIoU {percent(report.miou)} %", tone, sentence + _doubt(report))


def _doubt(report: Report) -> str:
    return warnings_below(len(report.notes) + bool(report.failed))


def _class(report: Report, index: int) -> dict[str, Any]:
    item = report.classes[index]
    return {
        "name": item.name,
        "cells": [
            percent(item.iou),
            percent(item.accuracy),
            f"{item.truth_pixels:,}",
            f"{item.predicted_pixels:,}",
        ],
        "bar": None if item.iou is None else 100 * item.iou,
    }


def _confusions(report: Report) -> Cells:
    """The largest cells beside the diagonal."""
    counts = np.array(report.confusion, np.int64)
    np.fill_diagonal(counts, 0)
    rows = []
    for place in np.argsort(-counts, axis=None, kind="stable")[:_CONFUSIONS]:
        truth, predicted = divmod(int(place), len(counts))
        pixels = int(counts[truth, predicted])
        if not pixels:
            break
        share = pixels / report.classes[truth].truth_pixels
        names = [report.classes[truth].name, report.classes[predicted].name]
        rows.append([*names, f"{pixels:,}", f"{percent(share)} %"])
    return Cells(["truth", "predicted", "pixels", "of the truth's"], rows)


def _figure(path: Path, key: str) -> Figure:
    with Image.open(path) as file:
        image = file.convert("RGB")
    return photograph(image, key, (_LONG_SIDE, _LONG_SIDE * 4))
