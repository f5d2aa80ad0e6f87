"""Charts, drawn by matplotlib as vector images."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from groupvit_export.html.page import Figure, check_installed, data_uri

if TYPE_CHECKING:
    from matplotlib.axes import Axes

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

_STYLE: Final[dict[str, Any]] = {
    # Names are text: a dollar in one begins no formula.
    "text.parse_math": False,
    "font.size": 9,
    "svg.fonttype": "path",
    # The same page from the same numbers.
    "svg.hashsalt": "groupvit",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.edgecolor": "#9aa0a8",
    "axes.labelcolor": "#5c6169",
    "grid.color": "#e8eaee",
    "xtick.color": "#3c4047",
    "ytick.color": "#3c4047",
}
_BAR_INCHES: Final = 0.36


@dataclass(frozen=True)
class Series:
    """A line of a chart, or points.

    Attributes:
        points: (x, y) in the order in which they are joined.
        color: index into `COLORS`, taken round.
        line: whether they are joined.
        markers: whether every point has a dot.
    """

    points: tuple[tuple[float, float], ...]
    color: int
    line: bool = True
    markers: bool = False


@dataclass(frozen=True)
class Axis:
    """One axis: what it shows, whether it begins at zero, and its ticks where they are not chosen here."""

    title: str
    from_zero: bool = True
    ticks: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Part:
    """A piece of a stacked bar: its length, and an index into `COLORS`."""

    value: float
    color: int


def color(index: int) -> str:
    """The color of a series."""
    return COLORS[index % len(COLORS)]


def chart(series: Sequence[Series], x: Axis, y: Axis, caption: str, *, wide: bool = False) -> Figure:
    """Lines and points over two linear axes.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """

    def draw(axes: Axes) -> None:
        for one in series:
            axes.plot(
                [point[0] for point in one.points],
                [point[1] for point in one.points],
                color=color(one.color),
                linestyle="-" if one.line else "none",
                marker="o" if one.markers else "none",
                linewidth=1.8,
                # A point on the edge is a whole one.
                clip_on=not one.markers,
            )
        axes.set_xlabel(x.title)
        axes.set_ylabel(y.title)
        if x.from_zero:
            axes.set_xlim(left=0)
        if y.from_zero:
            axes.set_ylim(bottom=0)
        if x.ticks is not None:
            axes.set_xticks(x.ticks)
        if y.ticks is not None:
            axes.set_yticks(y.ticks)

    return _figure(draw, (6.2, 3.2) if wide else (4.9, 2.7), caption)


def bars(rows: Sequence[tuple[str, Sequence[Part]]], title: str, caption: str) -> Figure:
    """Stacked horizontal bars over one axis from zero, a named row each, the first at the top.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """

    def draw(axes: Axes) -> None:
        for place, (_, parts) in enumerate(rows):
            left = 0.0
            for part in parts:
                axes.barh(place, part.value, left=left, height=0.7, color=color(part.color))
                left += max(part.value, 0.0)
        axes.set_yticks(range(len(rows)), [name for name, _ in rows])
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.set_xlim(left=0)
        axes.set_xlabel(title)

    return _figure(draw, (9.8, _BAR_INCHES * len(rows) + 0.7), caption)


def _figure(draw: Any, inches: tuple[float, float], caption: str) -> Figure:
    check_installed()
    from matplotlib import rc_context
    from matplotlib.figure import Figure as Canvas

    stream = io.BytesIO()
    with rc_context(_STYLE):
        canvas = Canvas(figsize=inches, layout="constrained")
        draw(canvas.subplots())
        # Without a date two pages of the same numbers are the same.
        canvas.savefig(stream, format="svg", metadata={"Date": None}, transparent=True)
    return Figure(data_uri(stream.getvalue(), "svg+xml"), caption)
