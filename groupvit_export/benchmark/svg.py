"""Charts as inline SVG: no scripts, no fonts, no namespaces to fetch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

COLORS: Final = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#5c6169",
    "#8a6d1d",
)
"""Told apart by people who see few colors (Okabe and Ito), the last two added."""

_LEFT: Final = 52
_BOTTOM: Final = 40
_TOP: Final = 12
_RIGHT: Final = 16
_TICKS: Final = 5
_BAR: Final = 22
_GAP: Final = 10
_CHARACTER: Final = 6.6


@dataclass(frozen=True)
class Series:
    """A line, or points, of a chart.

    Attributes:
        name: for the tooltip; the legend is the page's.
        points: (x, y) in the order in which they are joined.
        color: index into `COLORS`, taken round.
        line: whether they are joined.
        markers: whether every point has a dot.
    """

    name: str
    points: tuple[tuple[float, float], ...]
    color: int
    line: bool = True
    markers: bool = False


@dataclass(frozen=True)
class Axis:
    """One axis: what it shows, and the ticks where they are not chosen here."""

    title: str
    from_zero: bool = True
    top: float | None = None
    ticks: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Part:
    """A piece of a stacked bar: its length, color and what the tooltip says."""

    value: float
    color: int
    title: str


def color(index: int) -> str:
    """The color of a series."""
    return COLORS[index % len(COLORS)]


def chart(series: Sequence[Series], x: Axis, y: Axis, *, width: int = 470, height: int = 250) -> str:
    """Lines and points over two linear axes."""
    xs = [point[0] for one in series for point in one.points]
    ys = [point[1] for one in series for point in one.points]
    left, right = _range(xs, x)
    bottom, top = _range(ys, y)

    def across(value: float) -> float:
        return _LEFT + (value - left) / (right - left) * (width - _LEFT - _RIGHT)

    def up(value: float) -> float:
        return height - _BOTTOM - (value - bottom) / (top - bottom) * (height - _BOTTOM - _TOP)

    parts = [_open(width, height, f"{y.title} against {x.title}")]
    parts += [
        f'<line class="grid" x1="{_LEFT}" x2="{width - _RIGHT}" y1="{up(tick):.1f}" y2="{up(tick):.1f}"/>'
        f'<text x="{_LEFT - 6}" y="{up(tick) + 4:.1f}" text-anchor="end">{number(tick)}</text>'
        for tick in y.ticks or ticks(bottom, top)
    ]
    parts += [
        f'<text x="{across(tick):.1f}" y="{height - _BOTTOM + 16}" text-anchor="middle">{number(tick)}</text>'
        for tick in x.ticks or ticks(left, right)
    ]
    parts.append(
        f'<line class="axis" x1="{_LEFT}" x2="{width - _RIGHT}" '
        f'y1="{height - _BOTTOM}" y2="{height - _BOTTOM}"/>'
        f'<text class="title" x="{(_LEFT + width - _RIGHT) / 2}" y="{height - 6}" text-anchor="middle">'
        f"{escape(x.title)}</text>"
        f'<text class="title" transform="translate(12 {(height - _BOTTOM + _TOP) / 2}) rotate(-90)" '
        f'text-anchor="middle">{escape(y.title)}</text>'
    )
    for one in series:
        places = [(across(a), up(b)) for a, b in one.points]
        joined = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
        parts.append(f"<g><title>{escape(one.name)}</title>")
        if one.line:
            parts.append(f'<polyline points="{joined}" fill="none" stroke="{color(one.color)}"/>')
        if one.markers:
            parts += [
                f'<circle cx="{a:.1f}" cy="{b:.1f}" r="4" fill="{color(one.color)}"/>' for a, b in places
            ]
        parts.append("</g>")
    return "".join([*parts, "</svg>"])


def bars(rows: Sequence[tuple[str, Sequence[Part]]], title: str, *, width: int = 940) -> str:
    """Stacked horizontal bars over one axis from zero, a row each."""
    margin = round(max(len(name) for name, _ in rows) * _CHARACTER) + 12
    height = len(rows) * (_BAR + _GAP) + _BOTTOM
    _, longest = _range([sum(part.value for part in row) for _, row in rows], Axis(title))
    unit = (width - margin - _RIGHT) / longest
    base = len(rows) * (_BAR + _GAP)
    parts = [_open(width, height, title)]
    for tick in ticks(0, longest):
        x = margin + tick * unit
        parts.append(
            f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{base}"/>'
            f'<text x="{x:.1f}" y="{base + 15}" text-anchor="middle">{number(tick)}</text>'
        )
    for line, (name, row) in enumerate(rows):
        y = line * (_BAR + _GAP) + _GAP / 2
        parts.append(
            f'<text x="{margin - 8}" y="{y + _BAR / 2 + 4:.1f}" text-anchor="end">{escape(name)}</text>'
        )
        x = float(margin)
        for part in row:
            length = max(part.value, 0.0) * unit
            parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="{length:.1f}" height="{_BAR}" '
                f'fill="{color(part.color)}"><title>{escape(part.title)}</title></rect>'
            )
            x += length
    parts.append(
        f'<text class="title" x="{(margin + width - _RIGHT) / 2:.1f}" y="{height - 4}" text-anchor="middle">'
        f"{escape(title)}</text></svg>"
    )
    return "".join(parts)


def ticks(low: float, high: float) -> list[float]:
    """A few round numbers from `low` to `high`."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def number(value: float) -> str:
    """Short, without an exponent."""
    return f"{value:.6f}".rstrip("0").rstrip(".") or "0"


def _range(values: Sequence[float], axis: Axis) -> tuple[float, float]:
    low, high = min(values), max(values) if axis.top is None else axis.top
    if axis.from_zero:
        return 0.0, high * (1.0 if axis.top is not None else 1.06)
    pad = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return low - pad, high + (0.0 if axis.top is not None else pad)


def _open(width: int, height: int, title: str) -> str:
    return (
        f'<svg viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img">'
        f"<title>{escape(title)}</title>"
    )
