"""Draws a scene and its ground truth. Everything is random, everything follows from the generator."""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from examples.shapes.brush import Brush, shade
from examples.shapes.canvas import Rgb
from examples.shapes.landscape import ground, mountains, sky, tree
from examples.shapes.layout import Box, Layout, Placed, place
from examples.shapes.things import DRAWERS
from examples.shapes.world import (
    COLORS,
    HELD_OUT,
    STUFF,
    THINGS,
    kindless_value,
    nameless_value,
    stuff_value,
    thing_value,
)


@dataclass(frozen=True)
class Scene:
    """An image that explains itself.

    Attributes:
        image: uint8 [224, 224, 3], RGB.
        mask: uint8 [224, 224], values of `world.stuff_value` and `world.thing_value`.
        phrases: what can be seen, largest first: "water", "red house".
    """

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    phrases: tuple[str, ...]

    @property
    def caption(self) -> str:
        """The scene in words."""
        return "a photo of " + " and ".join(f"a {phrase}" for phrase in self.phrases) + "."


def draw_scene(rng: np.random.Generator, *, held_out: bool, untold: float = 0.0) -> Scene:
    """Draw one scene.

    Args:
        rng: where all chance comes from.
        held_out: whether the compositions of `world.HELD_OUT` may appear under their names; in training
            they may not.
        untold: of how many of the things only half is told: the kind of a thing of any color, or the
            color of any thing; 0 to 1.
    """
    brush = Brush(rng)
    layout = Layout.draw(rng)
    sky(brush, layout)
    if rng.random() < 0.65:
        mountains(brush, layout)
    ground(brush, layout)
    boxes: list[Box] = []
    placements = [place(rng, kind, layout, boxes) for kind in _choose_kinds(rng, layout)]
    # What stands further down the image is nearer, and hides what is behind it.
    for placed in sorted((p for p in placements if p is not None), key=lambda p: p.base):
        if placed.kind == "tree":
            tree(brush, placed, snow=layout.ground == "snow")
            continue
        if untold and rng.random() < untold:
            _draw_half_told(brush, placed)
            continue
        color = _choose_color(rng, placed.kind, held_out=held_out)
        brush.value = thing_value(placed.kind, color)
        DRAWERS[placed.kind](brush, placed, shade(rng, COLORS[color]))
    image, mask = brush.finish()
    return Scene(image, mask, _phrases(mask))


def _phrases(mask: NDArray[np.uint8]) -> tuple[str, ...]:
    counts = np.bincount(mask.ravel(), minlength=256)
    names = {stuff_value(stuff): stuff for stuff in STUFF}
    names |= {thing_value(thing, color): f"{color} {thing}" for thing in THINGS for color in COLORS}
    names |= {nameless_value(thing): thing for thing in THINGS}
    names |= {kindless_value(color): f"{color} thing" for color in COLORS}
    seen = sorted((value for value in names if counts[value] >= 60), key=lambda value: -counts[value])
    return tuple(names[value] for value in seen)


def _choose_kinds(rng: np.random.Generator, layout: Layout) -> list[str]:
    on_land = [str(kind) for kind in rng.choice(["house", "car", "tent"], rng.integers(1, 4), replace=False)]
    kinds = on_land if rng.random() < 0.92 else []
    if layout.water() is not None:
        kinds += ["boat"] * int(rng.choice([0, 1, 2], p=[0.1, 0.6, 0.3]))
    kinds += ["balloon"] * int(rng.choice([0, 1, 2], p=[0.35, 0.45, 0.2]))
    # Trees last: they go where there is room.
    return kinds + ["tree"] * int(rng.integers(0, 4))


def _choose_color(rng: np.random.Generator, kind: str, *, held_out: bool) -> str:
    allowed = [color for color in COLORS if held_out or (kind, color) not in HELD_OUT]
    return str(rng.choice(allowed))


def _draw_half_told(brush: Brush, placed: Placed) -> None:
    rng = brush.rng
    if rng.random() < 0.5:
        brush.value = nameless_value(placed.kind)
        known = rng.random() < 0.5
        color = shade(rng, COLORS[str(rng.choice(list(COLORS)))]) if known else _any_color(rng)
        DRAWERS[placed.kind](brush, placed, color)
    else:
        name = str(rng.choice(list(COLORS)))
        brush.value = kindless_value(name)
        DRAWERS[placed.kind](brush, placed, shade(rng, COLORS[name]))


def _any_color(rng: np.random.Generator) -> Rgb:
    hue, saturation, value = rng.uniform(0, 1), rng.uniform(0.05, 1), rng.uniform(0.25, 1)
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)
