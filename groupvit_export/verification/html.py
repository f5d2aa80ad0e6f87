"""The report of a verification as one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from groupvit_export.html.page import Figure, Headline, Origin, photograph, render
from groupvit_export.plural import counted
from groupvit_export.verification.bisect import FirstDivergence
from groupvit_export.verification.checks.labels import LabeledImage
from groupvit_export.verification.detail_words import computation_words, detail_words, divergence_words
from groupvit_export.verification.report import Cell, Report, Row, number
from groupvit_export.verification.words import finding_words, place_words, report_notes, row_about, row_title
from groupvit_runtime.colors import colors_of
from groupvit_runtime.manifest import Verdict

_SIDE: Final = 256
_SURE: Final = np.array((250, 250, 250), np.float64)
_CLOSE: Final = np.array((40, 60, 130), np.float64)
_AT_RISK: Final = np.array((215, 40, 40), np.float64)
_WRONG: Final = (215, 40, 40)

_MARKED: Final = ("AMBIGUOUS", "FAIL")

_TONES: Final[Mapping[Verdict, str]] = {"PASS": "good", "AMBIGUOUS": "doubtful", "FAIL": "bad"}


def html_report(
    report: Report,
    shown: Mapping[str, Sequence[LabeledImage]],
    divergences: Mapping[str, FirstDivergence | None],
    origin: Origin,
) -> str:
    """The whole page.

    Returns:
        HTML with its images inside.

    Raises:
        MissingDependencyError: what makes pages is not installed.
    """
    return render(
        "verification.html.j2",
        Headline(report.bundle, report.verdict, _TONES[report.verdict], _sentence(report)),
        origin,
        report=report,
        notes=report_notes(report),
        columns=[(column.name, computation_words(column.computation)) for column in report.columns],
        findings=[finding_words(finding) for finding in report.findings],
        bisected=[f"bisect {column}: {divergence_words(found)}" for column, found in divergences.items()],
        rows=[_row(row, report) for row in report.rows],
        label_maps=[_label_maps(column, images) for column, images in shown.items() if images],
    )


def _sentence(report: Report) -> str:
    runs = f"Measured in {counted(len(report.cases), 'run')}, {report.seconds:.1f} s."
    against = f"the PyTorch reference of {report.checkpoint}"
    if report.verdict == "PASS":
        return f"It decides as {against} does: every output and decision is within its budget. {runs}"
    names = ", ".join(finding.column for finding in report.findings)
    if report.verdict == "AMBIGUOUS":
        return f"Nothing contradicts {against}, but too little is certain to call {names} equal. {runs}"
    return f"It does not decide as {against} does: {names} left its budget. {runs}"


def _row(row: Row, report: Report) -> dict[str, Any]:
    budgets = [cell.budget for cell in row.cells.values() if cell.budget is not None]
    return {
        "name": row_title(row.key),
        "about": row_about(row.key),
        "cells": [_cell(row.cells.get(column.name)) for column in report.columns],
        "faults": [
            f"{name}: {said}"
            for name, cell in row.cells.items()
            if cell.verdict in _MARKED and (said := _said(cell, row_title(row.key)))
        ],
        "limit": number(max(budgets)) if budgets else "",
    }


def _cell(cell: Cell | None) -> dict[str, Any]:
    if cell is None:
        return {"title": "", "style": "", "text": "", "percent": None}
    style = f"is-{cell.verdict}"
    if cell.value is None:
        text = "not run" if cell.verdict is None else cell.verdict
        return {"title": _said(cell), "style": f"none {style}", "text": text, "percent": None}
    failed = f" {cell.verdict}" if cell.verdict in _MARKED else ""
    percent = None
    if cell.budget and np.isfinite(cell.value):
        percent = min(100.0, 100 * cell.value / cell.budget)
    return {"title": _said(cell), "style": style, "text": f"{number(cell.value)}{failed}", "percent": percent}


def _said(cell: Cell, named: str = "") -> str:
    """What is known beside the figure, and where it was measured, below what is `named`."""
    parts = (detail_words(cell.detail), place_words(cell.place, named) if cell.place else "")
    return "; ".join(part for part in parts if part)


def _label_maps(column: str, images: Sequence[LabeledImage]) -> dict[str, Any]:
    names = images[0].names
    return {
        "column": column,
        "classes": [
            (f"rgb{tuple(map(int, rgb))}", name) for rgb, name in zip(colors_of(names), names, strict=True)
        ],
        "images": [{"name": image.name, "figures": _four(image)} for image in images],
    }


def _four(image: LabeledImage) -> list[Figure]:
    different = image.labels != image.reference
    return [
        _figure("reference, left to itself", _overlay(image.rgb, image.reference, image.names)),
        _figure("this backend", _overlay(image.rgb, image.labels, image.names)),
        _figure(f"different: {int(different.sum()):,} pixels", _difference(image.rgb, different)),
        _figure(
            f"margin: dark is close, red at risk ({int(image.at_risk.sum()):,} pixels)",
            _margin(image.margin, image.at_risk),
        ),
    ]


def _figure(caption: str, rgb: NDArray[np.uint8]) -> Figure:
    return photograph(Image.fromarray(rgb), caption, (_SIDE, _SIDE))


def _overlay(rgb: NDArray[np.uint8], labels: NDArray[np.integer], names: Sequence[str]) -> NDArray[np.uint8]:
    colors = colors_of(names)[labels]
    mixed: NDArray[np.uint8] = (0.45 * rgb + 0.55 * colors).round().astype(np.uint8)
    return mixed


def _difference(rgb: NDArray[np.uint8], different: NDArray[np.bool_]) -> NDArray[np.uint8]:
    gray = rgb.mean(axis=2, keepdims=True).repeat(3, axis=2) * 0.4 + 150
    return np.where(different[..., None], _WRONG, gray).round().clip(0, 255).astype(np.uint8)


def _margin(margin: NDArray[np.float32], at_risk: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """On the scale of the image's own largest margin, its square root, so that small ones are seen."""
    finite = np.where(np.isfinite(margin), margin, 0)
    share = np.sqrt(finite / max(float(finite.max()), 1e-12))[..., None]
    colors = _CLOSE + (_SURE - _CLOSE) * share
    return np.where(at_risk[..., None], _AT_RISK, colors).round().astype(np.uint8)
