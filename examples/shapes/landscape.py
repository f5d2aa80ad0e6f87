"""Sky, mountains, ground, water and trees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from examples.shapes.brush import Brush, lighter, shade
from examples.shapes.canvas import CANVAS, Point
from examples.shapes.layout import Layout, Placed
from examples.shapes.texture import noise
from examples.shapes.world import stuff_value

_SKIES = (
    ((70, 130, 210), (190, 220, 240)),
    ((110, 165, 225), (225, 236, 244)),
    ((150, 165, 185), (214, 218, 222)),
    ((84, 90, 160), (246, 186, 150)),
    ((120, 150, 200), (250, 220, 190)),
)


def sky(brush: Brush, layout: Layout) -> None:
    """A gradient, with clouds."""
    rng = brush.rng
    top, bottom = (np.array(color, np.float32) for color in _SKIES[rng.integers(len(_SKIES))])
    down = np.linspace(0, CANVAS / layout.horizon, CANVAS, dtype=np.float32).clip(0, 1)[:, None, None]
    clear = np.broadcast_to(top + (bottom - top) * down, (CANVAS, CANVAS, 3))
    cover = (noise(rng, "clouds") - rng.uniform(0.1, 0.9)).clip(0, 0.7)[..., None]
    brush.value = stuff_value("sky")
    brush.fill(_band(0, CANVAS), _bytes(clear + (246 - clear) * cover))


def mountains(brush: Brush, layout: Layout) -> None:
    """A ridge behind the horizon, with or without snow."""
    rng = brush.rng
    brush.value = stuff_value("mountain")
    tone = np.array(rng.choice([(96, 104, 124), (116, 106, 100), (84, 96, 106)]), np.float32)
    ridge = _ridge(rng, layout.horizon)
    outline = [(float(x), float(y)) for x, y in ridge] + [
        (CANVAS, layout.horizon + 3),
        (0, layout.horizon + 3),
    ]
    heights = np.interp(np.arange(CANVAS), ridge[:, 0], ridge[:, 1])[None, :]
    rows = np.arange(CANVAS, dtype=np.float32)[:, None]
    relief = noise(rng, "rock")
    rock = tone * (1 + 0.22 * relief[..., None])
    if rng.random() < 0.6:
        snow_line = layout.horizon - rng.uniform(0.45, 0.7) * (layout.horizon - ridge[:, 1].min())
        snowy = (rows + 26 * relief < snow_line) & (rows > heights - 4)
        rock = np.where(snowy[..., None], np.float32(236) + 10 * relief[..., None], rock)
    brush.fill(outline, _bytes(rock))


def _ridge(rng: np.random.Generator, horizon: float) -> NDArray[np.float64]:
    count = int(rng.integers(3, 6))
    xs = np.linspace(-0.1, 1.1, 2 * count + 1) * CANVAS
    xs[1:-1] += rng.uniform(-0.03, 0.03, 2 * count - 1) * CANVAS
    peaks = rng.uniform(0.16, 0.34, 2 * count + 1) * CANVAS
    peaks[::2] *= rng.uniform(0.15, 0.6, count + 1)
    points = np.stack([xs, horizon - peaks], axis=1)
    between = (points[:-1] + points[1:]) / 2
    between += rng.normal(0, 0.012, between.shape) * CANVAS
    merged = np.empty((len(points) + len(between), 2))
    merged[::2], merged[1::2] = points, between
    return merged[np.argsort(merged[:, 0])]


_GROUND_TONES = {
    "grass": ((118, 158, 62), (96, 140, 58), (142, 168, 80)),
    "sand": ((222, 196, 142), (206, 178, 124), (230, 208, 164)),
    "snow": ((232, 238, 246), (216, 226, 240), (238, 240, 244)),
}


def ground(brush: Brush, layout: Layout) -> None:
    """Land, and water in front of it or behind it."""
    rng = brush.rng
    tone = np.array(rng.choice(_GROUND_TONES[layout.ground]), np.float32)
    strength = {"grass": 0.17, "sand": 0.07, "snow": 0.035}[layout.ground]
    texture = (0.6 * noise(rng, "rock") + noise(rng, "blades" if layout.ground == "grass" else "grain"))[
        ..., None
    ]
    land = _bytes(tone * (1 + strength * texture))
    water = layout.water()
    if water is None:
        brush.value = stuff_value(layout.ground)
        brush.fill(_below(rng, layout.horizon, 0.012), land)
        return
    first, second = ("water", layout.ground) if not layout.water_in_front else (layout.ground, "water")
    textures = {layout.ground: land, "water": _water(rng)}
    brush.value = stuff_value(first)
    # Water meets the sky in a straight line, land does not.
    brush.fill(_below(rng, layout.horizon, 0.0 if first == "water" else 0.012), textures[first])
    brush.value = stuff_value(second)
    assert layout.shore is not None
    brush.fill(_below(rng, layout.shore, 0.014), textures[second])


def _water(rng: np.random.Generator) -> NDArray[np.uint8]:
    tone = np.array(rng.choice([(52, 116, 168), (64, 140, 172), (44, 98, 140)]), np.float32)
    waves = noise(rng, "waves")[..., None]
    return _bytes(tone * (1 + 0.14 * waves) + 46 * (waves - 1.35).clip(0, 1))


def tree(brush: Brush, placed: Placed, *, snow: bool) -> None:
    """A fir or a tree with a crown; with `snow` firs have caps."""
    rng = brush.rng
    brush.value = stuff_value("tree")
    x, y, s = placed.x, placed.base, placed.size * 1.1
    trunk = shade(rng, (104, 76, 52))
    brush.rectangle(x - 0.045 * s, y - 0.3 * s, x + 0.045 * s, y, trunk)
    if rng.random() < 0.5:
        leaf = shade(rng, (36, 84, 56))
        for level in range(3):
            top, half = y - s + 0.22 * s * level, (0.17 + 0.075 * level) * s
            layer = lighter(leaf, 1 + 0.1 * level)
            brush.polygon([(x, top), (x + half, top + 0.4 * s), (x - half, top + 0.4 * s)], layer)
            if snow:
                cap = [(x, top), (x + 0.4 * half, top + 0.16 * s), (x - 0.4 * half, top + 0.16 * s)]
                brush.polygon(cap, (236, 240, 244))
        return
    leaf = shade(rng, (64, 118, 46))
    for _ in range(14):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.17) * s
        radius = rng.uniform(0.12, 0.2) * s
        center = (x + reach * np.cos(angle), y - 0.64 * s + reach * np.sin(angle))
        brush.ellipse(*center, radius, radius, lighter(leaf, float(rng.uniform(0.8, 1.2))))


def _band(top: float, bottom: float) -> list[Point]:
    return [(0, top), (CANVAS, top), (CANVAS, bottom), (0, bottom)]


def _below(rng: np.random.Generator, y: float, roughness: float) -> list[Point]:
    """Everything under a wavy line."""
    xs = np.linspace(0, CANVAS, 33)
    phases, periods = rng.uniform(0, 2 * np.pi, 3), rng.uniform(0.6, 4, 3)
    waves = sum(
        np.sin(xs / CANVAS * 2 * np.pi * period + phase)
        for period, phase in zip(periods, phases, strict=True)
    )
    ys = y + roughness * CANVAS * waves
    line = [(float(a), float(b)) for a, b in zip(xs, ys, strict=True)]
    return [*line, (CANVAS, CANVAS), (0, CANVAS)]


def _bytes(colors: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(colors, 0, 255).astype(np.uint8)
