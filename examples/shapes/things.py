"""Houses, cars, tents, boats and balloons, in a color."""

from __future__ import annotations

from collections.abc import Callable

from examples.shapes.brush import Brush, lighter
from examples.shapes.canvas import Point, Rgb
from examples.shapes.layout import Placed

_GLASS = (196, 220, 232)
_DARK = (44, 46, 52)


def _house(brush: Brush, placed: Placed, color: Rgb) -> None:
    rng = brush.rng
    x, y, s = placed.x, placed.base, placed.size
    half, wall = rng.uniform(0.46, 0.58) * s, rng.uniform(0.5, 0.58) * s
    roof = lighter(color, 0.72)
    if rng.random() < 0.5:
        brush.rectangle(x + 0.2 * s, y - 0.98 * s, x + 0.32 * s, y - 0.6 * s, lighter(color, 0.6))
    brush.rectangle(x - half, y - wall, x + half, y, color)
    eaves = half + 0.09 * s
    if rng.random() < 0.5:
        gable = [(x - eaves, y - wall), (x + eaves, y - wall), (x, y - s)]
    else:
        gable = [
            (x - eaves, y - wall),
            (x + eaves, y - wall),
            (x + 0.6 * half, y - s),
            (x - 0.6 * half, y - s),
        ]
    brush.polygon(gable, roof)
    brush.rectangle(x - 0.09 * s, y - 0.3 * s, x + 0.09 * s, y, (92, 64, 48))
    for side in (-1, 1):
        cx = x + side * 0.62 * half
        brush.rectangle(cx - 0.1 * s, y - 0.4 * s, cx + 0.1 * s, y - 0.2 * s, (244, 244, 238))
        brush.rectangle(cx - 0.075 * s, y - 0.375 * s, cx + 0.075 * s, y - 0.225 * s, (92, 124, 150))


def _car(brush: Brush, placed: Placed, color: Rgb) -> None:
    rng = brush.rng
    x, y, s = placed.x, placed.base, placed.size * 0.92
    facing = 1 if rng.random() < 0.5 else -1
    length = rng.uniform(0.62, 0.7) * s

    def at(dx: float, dy: float) -> Point:
        return x + facing * dx * length, y - dy * s

    brush.polygon([at(-0.62, 0.36), at(-0.4, 0.68), at(0.22, 0.68), at(0.55, 0.36)], color)
    brush.polygon([at(-1, 0.12), at(-1, 0.38), at(0.6, 0.4), at(1, 0.3), at(1, 0.12)], color)
    brush.polygon([at(-0.48, 0.39), at(-0.34, 0.61), at(-0.1, 0.61), at(-0.1, 0.39)], _GLASS)
    brush.polygon([at(-0.02, 0.39), at(-0.02, 0.61), at(0.18, 0.61), at(0.4, 0.39)], _GLASS)
    brush.polygon([at(-1, 0.12), at(-1, 0.18), at(1, 0.18), at(1, 0.12)], lighter(color, 0.7))
    for wheel in (-0.56, 0.58):
        wx, wy = at(wheel, 0.13)
        brush.ellipse(wx, wy, 0.14 * s, 0.14 * s, _DARK)
        brush.ellipse(wx, wy, 0.06 * s, 0.06 * s, (176, 178, 182))


def _tent(brush: Brush, placed: Placed, color: Rgb) -> None:
    rng = brush.rng
    x, y, s = placed.x, placed.base, placed.size * 0.9
    half, lean = rng.uniform(0.58, 0.68) * s, rng.uniform(-0.12, 0.12) * s
    top = (x + lean, y - 0.86 * s)
    brush.polygon([(x - half, y), top, (x + half, y)], color)
    brush.polygon([top, (x + half, y), (x + 0.42 * half, y)], lighter(color, 0.78))
    brush.polygon([(x + lean, y - 0.62 * s), (x + 0.2 * half, y), (x - 0.26 * half, y)], _DARK)
    for end in (x - half - 0.1 * s, x + half + 0.1 * s):
        brush.line([top, (end, y)], (222, 222, 214), 2)


def _boat(brush: Brush, placed: Placed, color: Rgb) -> None:
    rng = brush.rng
    x, y, s = placed.x, placed.base, placed.size
    facing = 1 if rng.random() < 0.5 else -1
    half = rng.uniform(0.52, 0.6) * s

    def at(dx: float, dy: float) -> Point:
        return x + facing * dx * half, y - dy * s

    hull = lighter(color, 0.74)
    brush.polygon([at(-0.85, 0), at(0.7, 0), at(1.05, 0.24), at(-1, 0.24)], hull)
    mast = at(0.05, 0)[0]
    brush.rectangle(mast - 0.018 * s, y - s, mast + 0.018 * s, y - 0.24 * s, (120, 88, 58))
    brush.polygon([at(-0.02, 0.3), at(-0.02, 0.98), at(-0.86, 0.3)], color)
    brush.polygon([at(0.12, 0.3), at(0.12, 0.9), at(0.8, 0.3)], lighter(color, 0.9))


def _balloon(brush: Brush, placed: Placed, color: Rgb) -> None:
    x, base, s = placed.x, placed.base, placed.size
    radius, center = 0.36 * s, base - 0.64 * s
    skirt = base - 0.22 * s
    for side in (-0.07, 0.07):
        brush.line([(x + 2.2 * side * s, skirt - 0.06 * s), (x + side * s, base - 0.12 * s)], (96, 76, 58), 2)
    brush.polygon(
        [
            (x - 0.93 * radius, center + 0.14 * s),
            (x + 0.93 * radius, center + 0.14 * s),
            (x + 0.1 * s, skirt),
            (x - 0.1 * s, skirt),
        ],
        color,
    )
    brush.ellipse(x, center, radius, radius, color)
    stripe = lighter(color, 0.76)
    brush.ellipse(x, center, 0.62 * radius, radius, stripe)
    brush.ellipse(x, center, 0.26 * radius, radius, color)
    brush.rectangle(x - 0.075 * s, base - 0.12 * s, x + 0.075 * s, base, (136, 96, 60))


DRAWERS: dict[str, Callable[[Brush, Placed, Rgb], None]] = {
    "house": _house,
    "car": _car,
    "tent": _tent,
    "boat": _boat,
    "balloon": _balloon,
}
