"""The report of a verification as one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from groupvit_export.verification.checks.labels import LabeledImage
from groupvit_export.verification.report import Cell, Report, Row, number
from groupvit_runtime.render import palette

_SIDE: Final = 256
_SURE: Final = np.array((250, 250, 250), np.float64)
_CLOSE: Final = np.array((40, 60, 130), np.float64)
_AT_RISK: Final = np.array((215, 40, 40), np.float64)
_WRONG: Final = (215, 40, 40)

_STYLE: Final = """
:root { color-scheme: light; font: 15px/1.45 system-ui, sans-serif; color: #1c1e21; background: #fff; }
body { max-width: 74rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0 0 .3rem; } h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
.badge { display: inline-block; padding: .1rem .6rem; border-radius: .3rem; color: #fff; font-weight: 600; }
.PASS { background: #2e7d32; } .AMBIGUOUS { background: #b26a00; } .FAIL { background: #c62828; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .25rem .7rem; border-bottom: 1px solid #e2e4e8; vertical-align: top; }
th { font-weight: 600; } td.number { text-align: right; white-space: nowrap; }
td.is-FAIL { background: #fde7e7; } td.is-AMBIGUOUS { background: #fff2dc; } td.none { color: #767b82; }
td .bar { display: block; height: 3px; background: #2e7d32; border-radius: 2px; margin-top: 2px; }
td.is-FAIL .bar { background: #c62828; } td.is-AMBIGUOUS .bar { background: #b26a00; }
.about { color: #5c6169; font-size: .86rem; } .scroll { overflow-x: auto; }
.finding { border-left: 4px solid #c62828; padding: .3rem .8rem; background: #fafafa; margin: .5rem 0; }
.four { display: grid; grid-template-columns: repeat(4, 1fr); gap: .6rem; margin: .4rem 0 1.2rem; }
.four figure { margin: 0; } .four img { width: 100%; image-rendering: auto; display: block; }
figcaption { font-size: .84rem; color: #5c6169; }
.key span { display: inline-block; margin-right: 1rem; }
.key i { display: inline-block; width: .9rem; height: .9rem; margin-right: .35rem; vertical-align: -.1rem; }
"""


def html_report(
    report: Report, shown: Mapping[str, Sequence[LabeledImage]], divergences: Mapping[str, object | None]
) -> str:
    """The whole page.

    Args:
        report: the matrix.
        shown: label maps by column.
        divergences: by column what bisecting found, None for nothing.

    Returns:
        HTML with its images inside.
    """
    parts = [
        f"<h1>{escape(report.bundle)} {_badge(report.verdict)}</h1>",
        f"<p>against the PyTorch reference of {escape(report.checkpoint)}: {len(report.cases)} runs on "
        f"{len(report.columns)} backends in {report.seconds:.1f} s</p>",
        *(f"<p><b>Note:</b> {escape(line)}</p>" for line in report.notes),
        *(f'<div class="finding">first in {escape(str(finding))}</div>' for finding in report.findings),
        *(
            f'<div class="finding">bisect {escape(column)}: '
            f"{escape(str(divergence or 'every value of the graph is within its budget'))}</div>"
            for column, divergence in divergences.items()
        ),
        "<h2>Outputs and decisions</h2>",
        "<p class='about'>Every number is the worst over all runs; the bar is its part of the budget. "
        "Replayed: the reference is run with the backend's own assignments. Hover for details.</p>",
        _matrix(report),
        "<h2>Backends</h2><ul>",
        *(f"<li><b>{escape(c.name)}</b>: {escape(c.description)}</li>" for c in report.columns),
        "</ul>",
    ]
    parts += [_images(column, images) for column, images in shown.items()]
    parts += ["<h2>Runs</h2><ul>", *(f"<li>{escape(case)}</li>" for case in report.cases), "</ul>"]
    title = f"{escape(report.bundle)}: {report.verdict}"
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>{_STYLE}</style><body>{''.join(parts)}</body></html>\n"
    )


def _badge(verdict: str) -> str:
    return f'<span class="badge {verdict}">{verdict}</span>'


def _matrix(report: Report) -> str:
    head = "".join(f"<th>{escape(column.name)}</th>" for column in report.columns)
    body = "".join(_row(row, report) for row in report.rows)
    verdicts = "".join(f"<td>{_badge(report.column_verdict(c.name))}</td>" for c in report.columns)
    return (
        f'<div class="scroll"><table><tr><th></th>{head}<th>at most</th></tr>{body}'
        f"<tr><th>verdict</th>{verdicts}<td></td></tr></table></div>"
    )


def _row(row: Row, report: Report) -> str:
    cells = "".join(_cell(row.cells.get(column.name)) for column in report.columns)
    budgets = [cell.budget for cell in row.cells.values() if cell.budget is not None]
    limit = number(max(budgets)) if budgets else ""
    return (
        f"<tr><td>{escape(row.name)}<div class='about'>{escape(row.about)}</div></td>{cells}"
        f'<td class="number">{limit}</td></tr>'
    )


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "<td></td>"
    title = escape(" ".join(part for part in (cell.detail, str(cell.place or "")) if part))
    if cell.value is None:
        shown = "not run" if cell.verdict is None else cell.verdict
        return f'<td class="number none is-{cell.verdict}" title="{title}">{shown}</td>'
    bar = ""
    if cell.budget and np.isfinite(cell.value):
        bar = f'<span class="bar" style="width:{min(100.0, 100 * cell.value / cell.budget):.1f}%"></span>'
    return f'<td class="number is-{cell.verdict}" title="{title}">{number(cell.value)}{bar}</td>'


def _images(column: str, images: Sequence[LabeledImage]) -> str:
    if not images:
        return ""
    about = "Those that differ most, then those that the reference is least sure of."
    parts = [f"<h2>Label maps of {escape(column)}</h2><p class='about'>{about}</p>", _key(images[0].names)]
    parts += [f"<div><b>{escape(image.name)}</b></div>{_four(image)}" for image in images]
    return "".join(parts)


def _key(names: Sequence[str]) -> str:
    colors = palette(len(names))
    swatches = "".join(
        f"<span><i style='background:rgb{tuple(int(c) for c in color)}'></i>{escape(name)}</span>"
        for name, color in zip(names, colors, strict=True)
    )
    return f'<p class="key">{swatches}</p>'


def _four(image: LabeledImage) -> str:
    different = image.labels != image.reference
    figures = (
        ("reference, left to itself", _overlay(image.rgb, image.reference, len(image.names))),
        ("this backend", _overlay(image.rgb, image.labels, len(image.names))),
        (f"different: {int(different.sum()):,} pixels", _difference(image.rgb, different)),
        (
            f"margin: dark is close, red at risk ({int(image.at_risk.sum()):,} pixels)",
            _margin(image.margin, image.at_risk),
        ),
    )
    return '<div class="four">' + "".join(_figure(*figure) for figure in figures) + "</div>"


def _figure(caption: str, image: NDArray[np.uint8]) -> str:
    return (
        f'<figure><img alt="{escape(caption)}" src="{_data_uri(image)}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
    )


def _overlay(rgb: NDArray[np.uint8], labels: NDArray[np.integer], classes: int) -> NDArray[np.uint8]:
    colors = palette(classes)[labels]
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


def _data_uri(rgb: NDArray[np.uint8]) -> str:
    image = Image.fromarray(rgb)
    image.thumbnail((_SIDE, _SIDE))
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=88)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
