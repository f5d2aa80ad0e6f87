"""Where the land lies, and where there is room on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from examples.shapes.canvas import CANVAS

Box = tuple[float, float, float, float]
"""Left, top, right, bottom in canvas pixels."""


@dataclass(frozen=True)
class Layout:
    """Where the land lies; ys in canvas pixels."""

    horizon: float
    shore: float | None
    ground: str
    water_in_front: bool

    @staticmethod
    def draw(rng: np.random.Generator) -> Layout:
        horizon = rng.uniform(0.36, 0.52) * CANVAS
        ground = str(rng.choice(["grass", "grass", "sand", "snow"]))
        has_water = rng.random() < 0.6
        shore = rng.uniform(0.66, 0.78) * CANVAS if has_water else None
        return Layout(horizon, shore, ground, bool(rng.random() < 0.5))

    def water(self) -> tuple[float, float] | None:
        """From where to where there is water."""
        if self.shore is None:
            return None
        return (self.shore, CANVAS) if self.water_in_front else (self.horizon, self.shore)

    def land(self) -> tuple[float, float]:
        """From where to where there is land."""
        if self.shore is None:
            return self.horizon, CANVAS
        return (self.horizon, self.shore) if self.water_in_front else (self.shore, CANVAS)


@dataclass(frozen=True)
class Placed:
    """A kind of thing, its foot in canvas pixels and its size (about its height)."""

    kind: str
    x: float
    base: float
    size: float


def place(rng: np.random.Generator, kind: str, layout: Layout, boxes: list[Box]) -> Placed | None:
    for _ in range(12):
        placed = _try_place(rng, kind, layout)
        half = placed.size * (0.36 if kind in ("tree", "balloon") else 0.68)
        box = (placed.x - half, placed.base - placed.size, placed.x + half, placed.base)
        if all(_overlap(box, other) < 0.12 for other in boxes):
            boxes.append(box)
            return placed
    return None


def _try_place(rng: np.random.Generator, kind: str, layout: Layout) -> Placed:
    size = rng.uniform(0.26, 0.4) * CANVAS
    x = rng.uniform(0.1, 0.9) * CANVAS
    if kind == "balloon":
        size *= rng.uniform(0.95, 1.25)
        top = rng.uniform(0.03, 0.16) * CANVAS
        return Placed(kind, x, top + size, size)
    water = layout.water()
    if kind == "boat" and water is not None:
        low, high = water
        depth = rng.uniform(0.3, 0.8)
        return Placed(kind, x, low + depth * (high - low), size * 1.05)
    low, high = layout.land()
    depth = rng.uniform(0.12, 0.85)
    return Placed(kind, x, low + depth * (high - low), size * (0.85 + 0.35 * depth))


def _overlap(a: Box, b: Box) -> float:
    """Part of the smaller box that the other covers."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return width * height / smaller
