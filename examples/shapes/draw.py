"""Draws a scene and its ground truth. Everything is random, everything follows from the generator."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from examples.shapes.world import (
    COLOURS,
    HELD_OUT,
    STUFF,
    THINGS,
    kindless_value,
    nameless_value,
    stuff_value,
    thing_value,
)

SIZE = 224
"""Side of a scene in pixels."""

_OVERSAMPLED = 2
_CANVAS = SIZE * _OVERSAMPLED

Point = tuple[float, float]
Rgb = tuple[int, int, int]


@dataclass(frozen=True)
class Scene:
    """A picture that explains itself.

    Attributes:
        picture: uint8 [224, 224, 3], RGB.
        mask: uint8 [224, 224], values of `world.stuff_value` and `world.thing_value`.
        phrases: what can be seen, largest first: "water", "red house".
    """

    picture: NDArray[np.uint8]
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
        untold: of how many of the things only half is told: the kind of a thing of any colour, or the
            colour of any thing; 0 to 1.
    """
    brush = _Brush(rng)
    layout = _Layout.draw(rng)
    _sky(brush, layout)
    if rng.random() < 0.65:
        _mountains(brush, layout)
    _ground(brush, layout)
    boxes: list[tuple[float, float, float, float]] = []
    placements = [_place(rng, kind, layout, boxes) for kind in _choose_kinds(rng, layout)]
    # What stands further down the picture is nearer, and hides what is behind it.
    for placed in sorted((p for p in placements if p is not None), key=lambda p: p.base):
        if placed.kind == "tree":
            _tree(brush, placed, snow=layout.ground == "snow")
            continue
        if untold and rng.random() < untold:
            _draw_half_told(brush, placed)
            continue
        colour = _choose_colour(rng, placed.kind, held_out=held_out)
        brush.value = thing_value(placed.kind, colour)
        _DRAWERS[placed.kind](brush, placed, _shade(rng, COLOURS[colour]))
    return brush.finish()


@dataclass(frozen=True)
class _Layout:
    """Where the land lies; ys in canvas pixels."""

    horizon: float
    shore: float | None
    ground: str
    water_in_front: bool

    @staticmethod
    def draw(rng: np.random.Generator) -> _Layout:
        horizon = rng.uniform(0.36, 0.52) * _CANVAS
        ground = str(rng.choice(["grass", "grass", "sand", "snow"]))
        has_water = rng.random() < 0.6
        shore = rng.uniform(0.66, 0.78) * _CANVAS if has_water else None
        return _Layout(horizon, shore, ground, bool(rng.random() < 0.5))

    def water(self) -> tuple[float, float] | None:
        """From where to where there is water."""
        if self.shore is None:
            return None
        return (self.shore, _CANVAS) if self.water_in_front else (self.horizon, self.shore)

    def land(self) -> tuple[float, float]:
        """From where to where there is land."""
        if self.shore is None:
            return self.horizon, _CANVAS
        return (self.horizon, self.shore) if self.water_in_front else (self.shore, _CANVAS)


@dataclass(frozen=True)
class _Placed:
    """A kind of thing, its foot in canvas pixels and its size (about its height)."""

    kind: str
    x: float
    base: float
    size: float


class _Brush:
    """Draws on the picture and on the mask at once."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.value = 0
        self._picture = Image.new("RGB", (_CANVAS, _CANVAS))
        self._mask = Image.new("L", (_CANVAS, _CANVAS))
        self._on_picture = ImageDraw.Draw(self._picture)
        self._on_mask = ImageDraw.Draw(self._mask)

    def polygon(self, points: Sequence[Point], colour: Rgb) -> None:
        self._on_picture.polygon(points, fill=colour)
        self._on_mask.polygon(points, fill=self.value)

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, colour: Rgb) -> None:
        self._on_picture.rectangle((x0, y0, x1, y1), fill=colour)
        self._on_mask.rectangle((x0, y0, x1, y1), fill=self.value)

    def ellipse(self, x: float, y: float, rx: float, ry: float, colour: Rgb) -> None:
        box = (x - rx, y - ry, x + rx, y + ry)
        self._on_picture.ellipse(box, fill=colour)
        self._on_mask.ellipse(box, fill=self.value)

    def line(self, points: Sequence[Point], colour: Rgb, width: int) -> None:
        """On the picture only: too thin to be asked for by name."""
        self._on_picture.line(points, fill=colour, width=width)

    def fill(self, where: Sequence[Point], texture: NDArray[np.uint8]) -> None:
        """Fill a polygon with a texture of the canvas's size."""
        stencil = Image.new("L", (_CANVAS, _CANVAS))
        ImageDraw.Draw(stencil).polygon(where, fill=255)
        self._picture.paste(Image.fromarray(texture), mask=stencil)
        self._on_mask.polygon(where, fill=self.value)

    def finish(self) -> Scene:
        picture = np.asarray(self._picture.reduce(_OVERSAMPLED)).astype(np.float32)
        # Light, a cast of colour and grain: no two photographs have the same white.
        picture *= self.rng.uniform(0.85, 1.08) * self.rng.uniform(0.96, 1.04, 3).astype(np.float32)
        picture += _noise(self.rng, "grain")[:SIZE, :SIZE, None] * np.float32(self.rng.uniform(1, 5))
        mask = np.asarray(self._mask)[::_OVERSAMPLED, ::_OVERSAMPLED].copy()
        return Scene(np.clip(picture, 0, 255).astype(np.uint8), mask, _phrases(mask))


def _phrases(mask: NDArray[np.uint8]) -> tuple[str, ...]:
    counts = np.bincount(mask.ravel(), minlength=256)
    names = {stuff_value(stuff): stuff for stuff in STUFF}
    names |= {thing_value(thing, colour): f"{colour} {thing}" for thing in THINGS for colour in COLOURS}
    names |= {nameless_value(thing): thing for thing in THINGS}
    names |= {kindless_value(colour): f"{colour} thing" for colour in COLOURS}
    seen = sorted((value for value in names if counts[value] >= 60), key=lambda value: -counts[value])
    return tuple(names[value] for value in seen)


def _choose_kinds(rng: np.random.Generator, layout: _Layout) -> list[str]:
    on_land = [str(kind) for kind in rng.choice(["house", "car", "tent"], rng.integers(1, 4), replace=False)]
    kinds = on_land if rng.random() < 0.92 else []
    if layout.water() is not None:
        kinds += ["boat"] * int(rng.choice([0, 1, 2], p=[0.1, 0.6, 0.3]))
    kinds += ["balloon"] * int(rng.choice([0, 1, 2], p=[0.35, 0.45, 0.2]))
    # Trees last: they go where there is room.
    return kinds + ["tree"] * int(rng.integers(0, 4))


def _choose_colour(rng: np.random.Generator, kind: str, *, held_out: bool) -> str:
    allowed = [colour for colour in COLOURS if held_out or (kind, colour) not in HELD_OUT]
    return str(rng.choice(allowed))


def _draw_half_told(brush: _Brush, placed: _Placed) -> None:
    rng = brush.rng
    if rng.random() < 0.5:
        brush.value = nameless_value(placed.kind)
        _DRAWERS[placed.kind](brush, placed, _nameless_colour(rng))
    else:
        colour = str(rng.choice(list(COLOURS)))
        brush.value = kindless_value(colour)
        _DRAWERS[placed.kind](brush, placed, _shade(rng, COLOURS[colour]))


def _nameless_colour(rng: np.random.Generator) -> Rgb:
    """Any colour at all, those of `world.COLOURS` among them."""
    hue, saturation, value = rng.uniform(0, 1), rng.uniform(0.05, 1), rng.uniform(0.25, 1)
    red, green, blue = colorsys.hsv_to_rgb(hue, saturation, value)
    return round(red * 255), round(green * 255), round(blue * 255)


def _place(
    rng: np.random.Generator, kind: str, layout: _Layout, boxes: list[tuple[float, float, float, float]]
) -> _Placed | None:
    for _ in range(12):
        placed = _try_place(rng, kind, layout)
        half = placed.size * (0.36 if kind in ("tree", "balloon") else 0.68)
        box = (placed.x - half, placed.base - placed.size, placed.x + half, placed.base)
        if all(_overlap(box, other) < 0.12 for other in boxes):
            boxes.append(box)
            return placed
    return None


def _try_place(rng: np.random.Generator, kind: str, layout: _Layout) -> _Placed:
    size = rng.uniform(0.2, 0.33) * _CANVAS
    x = rng.uniform(0.1, 0.9) * _CANVAS
    if kind == "balloon":
        size *= rng.uniform(0.95, 1.25)
        top = rng.uniform(0.03, 0.16) * _CANVAS
        return _Placed(kind, x, top + size, size)
    water = layout.water()
    if kind == "boat" and water is not None:
        low, high = water
        depth = rng.uniform(0.3, 0.8)
        return _Placed(kind, x, low + depth * (high - low), size * 1.05)
    low, high = layout.land()
    depth = rng.uniform(0.12, 0.85)
    return _Placed(kind, x, low + depth * (high - low), size * (0.85 + 0.35 * depth))


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """Part of the smaller box that the other covers."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return width * height / smaller


# Landscape ------------------------------------------------------------------------------------------


_SKIES = (
    ((70, 130, 210), (190, 220, 240)),
    ((110, 165, 225), (225, 236, 244)),
    ((150, 165, 185), (214, 218, 222)),
    ((84, 90, 160), (246, 186, 150)),
    ((120, 150, 200), (250, 220, 190)),
)


def _sky(brush: _Brush, layout: _Layout) -> None:
    rng = brush.rng
    top, bottom = (np.array(colour, np.float32) for colour in _SKIES[rng.integers(len(_SKIES))])
    down = np.linspace(0, _CANVAS / layout.horizon, _CANVAS, dtype=np.float32).clip(0, 1)[:, None, None]
    sky = np.broadcast_to(top + (bottom - top) * down, (_CANVAS, _CANVAS, 3))
    cover = (_noise(rng, "clouds") - rng.uniform(0.1, 0.9)).clip(0, 0.7)[..., None]
    brush.value = stuff_value("sky")
    brush.fill(_band(0, _CANVAS), _bytes(sky + (246 - sky) * cover))


def _mountains(brush: _Brush, layout: _Layout) -> None:
    rng = brush.rng
    brush.value = stuff_value("mountain")
    tone = np.array(rng.choice([(96, 104, 124), (116, 106, 100), (84, 96, 106)]), np.float32)
    ridge = _ridge(rng, layout.horizon)
    outline = [(float(x), float(y)) for x, y in ridge] + [
        (_CANVAS, layout.horizon + 3),
        (0, layout.horizon + 3),
    ]
    heights = np.interp(np.arange(_CANVAS), ridge[:, 0], ridge[:, 1])[None, :]
    rows = np.arange(_CANVAS, dtype=np.float32)[:, None]
    relief = _noise(rng, "rock")
    rock = tone * (1 + 0.22 * relief[..., None])
    if rng.random() < 0.6:
        snow_line = layout.horizon - rng.uniform(0.45, 0.7) * (layout.horizon - ridge[:, 1].min())
        snowy = (rows + 26 * relief < snow_line) & (rows > heights - 4)
        rock = np.where(snowy[..., None], np.float32(236) + 10 * relief[..., None], rock)
    brush.fill(outline, _bytes(rock))


def _ridge(rng: np.random.Generator, horizon: float) -> NDArray[np.float64]:
    count = int(rng.integers(3, 6))
    xs = np.linspace(-0.1, 1.1, 2 * count + 1) * _CANVAS
    xs[1:-1] += rng.uniform(-0.03, 0.03, 2 * count - 1) * _CANVAS
    peaks = rng.uniform(0.16, 0.34, 2 * count + 1) * _CANVAS
    peaks[::2] *= rng.uniform(0.15, 0.6, count + 1)
    points = np.stack([xs, horizon - peaks], axis=1)
    between = (points[:-1] + points[1:]) / 2
    between += rng.normal(0, 0.012, between.shape) * _CANVAS
    merged = np.empty((len(points) + len(between), 2))
    merged[::2], merged[1::2] = points, between
    return merged[np.argsort(merged[:, 0])]


_GROUND_TONES = {
    "grass": ((118, 158, 62), (96, 140, 58), (142, 168, 80)),
    "sand": ((222, 196, 142), (206, 178, 124), (230, 208, 164)),
    "snow": ((232, 238, 246), (216, 226, 240), (238, 240, 244)),
}


def _ground(brush: _Brush, layout: _Layout) -> None:
    rng = brush.rng
    tone = np.array(rng.choice(_GROUND_TONES[layout.ground]), np.float32)
    strength = {"grass": 0.17, "sand": 0.07, "snow": 0.035}[layout.ground]
    texture = (0.6 * _noise(rng, "rock") + _noise(rng, "blades" if layout.ground == "grass" else "grain"))[
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
    waves = _noise(rng, "waves")[..., None]
    return _bytes(tone * (1 + 0.14 * waves) + 46 * (waves - 1.35).clip(0, 1))


def _tree(brush: _Brush, placed: _Placed, *, snow: bool) -> None:
    rng = brush.rng
    brush.value = stuff_value("tree")
    x, y, s = placed.x, placed.base, placed.size * 1.1
    trunk = _shade(rng, (104, 76, 52))
    brush.rectangle(x - 0.045 * s, y - 0.3 * s, x + 0.045 * s, y, trunk)
    if rng.random() < 0.5:
        leaf = _shade(rng, (36, 84, 56))
        for level in range(3):
            top, half = y - s + 0.22 * s * level, (0.17 + 0.075 * level) * s
            layer = _lighter(leaf, 1 + 0.1 * level)
            brush.polygon([(x, top), (x + half, top + 0.4 * s), (x - half, top + 0.4 * s)], layer)
            if snow:
                cap = [(x, top), (x + 0.4 * half, top + 0.16 * s), (x - 0.4 * half, top + 0.16 * s)]
                brush.polygon(cap, (236, 240, 244))
        return
    leaf = _shade(rng, (64, 118, 46))
    for _ in range(14):
        angle, reach = rng.uniform(0, 2 * np.pi), rng.uniform(0, 0.17) * s
        radius = rng.uniform(0.12, 0.2) * s
        centre = (x + reach * np.cos(angle), y - 0.64 * s + reach * np.sin(angle))
        brush.ellipse(*centre, radius, radius, _lighter(leaf, float(rng.uniform(0.8, 1.2))))


# Things ---------------------------------------------------------------------------------------------


_GLASS = (196, 220, 232)
_DARK = (44, 46, 52)


def _house(brush: _Brush, placed: _Placed, colour: Rgb) -> None:
    rng = brush.rng
    x, y, s = placed.x, placed.base, placed.size
    half, wall = rng.uniform(0.46, 0.58) * s, rng.uniform(0.5, 0.58) * s
    roof = _lighter(colour, 0.72)
    if rng.random() < 0.5:
        brush.rectangle(x + 0.2 * s, y - 0.98 * s, x + 0.32 * s, y - 0.6 * s, _lighter(colour, 0.6))
    brush.rectangle(x - half, y - wall, x + half, y, colour)
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


def _car(brush: _Brush, placed: _Placed, colour: Rgb) -> None:
    rng = brush.rng
    x, y, s = placed.x, placed.base, placed.size * 0.92
    facing = 1 if rng.random() < 0.5 else -1
    length = rng.uniform(0.62, 0.7) * s

    def at(dx: float, dy: float) -> Point:
        return x + facing * dx * length, y - dy * s

    brush.polygon([at(-0.62, 0.36), at(-0.4, 0.68), at(0.22, 0.68), at(0.55, 0.36)], colour)
    brush.polygon([at(-1, 0.12), at(-1, 0.38), at(0.6, 0.4), at(1, 0.3), at(1, 0.12)], colour)
    brush.polygon([at(-0.48, 0.39), at(-0.34, 0.61), at(-0.1, 0.61), at(-0.1, 0.39)], _GLASS)
    brush.polygon([at(-0.02, 0.39), at(-0.02, 0.61), at(0.18, 0.61), at(0.4, 0.39)], _GLASS)
    brush.polygon([at(-1, 0.12), at(-1, 0.18), at(1, 0.18), at(1, 0.12)], _lighter(colour, 0.7))
    for wheel in (-0.56, 0.58):
        wx, wy = at(wheel, 0.13)
        brush.ellipse(wx, wy, 0.14 * s, 0.14 * s, _DARK)
        brush.ellipse(wx, wy, 0.06 * s, 0.06 * s, (176, 178, 182))


def _tent(brush: _Brush, placed: _Placed, colour: Rgb) -> None:
    rng = brush.rng
    x, y, s = placed.x, placed.base, placed.size * 0.9
    half, lean = rng.uniform(0.58, 0.68) * s, rng.uniform(-0.12, 0.12) * s
    top = (x + lean, y - 0.86 * s)
    brush.polygon([(x - half, y), top, (x + half, y)], colour)
    brush.polygon([top, (x + half, y), (x + 0.42 * half, y)], _lighter(colour, 0.78))
    brush.polygon([(x + lean, y - 0.62 * s), (x + 0.2 * half, y), (x - 0.26 * half, y)], _DARK)
    for end in (x - half - 0.1 * s, x + half + 0.1 * s):
        brush.line([top, (end, y)], (222, 222, 214), 2)


def _boat(brush: _Brush, placed: _Placed, colour: Rgb) -> None:
    rng = brush.rng
    x, y, s = placed.x, placed.base, placed.size
    facing = 1 if rng.random() < 0.5 else -1
    half = rng.uniform(0.52, 0.6) * s

    def at(dx: float, dy: float) -> Point:
        return x + facing * dx * half, y - dy * s

    hull = _lighter(colour, 0.74)
    brush.polygon([at(-0.85, 0), at(0.7, 0), at(1.05, 0.24), at(-1, 0.24)], hull)
    mast = at(0.05, 0)[0]
    brush.rectangle(mast - 0.018 * s, y - s, mast + 0.018 * s, y - 0.24 * s, (120, 88, 58))
    brush.polygon([at(-0.02, 0.3), at(-0.02, 0.98), at(-0.86, 0.3)], colour)
    brush.polygon([at(0.12, 0.3), at(0.12, 0.9), at(0.8, 0.3)], _lighter(colour, 0.9))


def _balloon(brush: _Brush, placed: _Placed, colour: Rgb) -> None:
    x, base, s = placed.x, placed.base, placed.size
    radius, centre = 0.36 * s, base - 0.64 * s
    skirt = base - 0.22 * s
    for side in (-0.07, 0.07):
        brush.line([(x + 2.2 * side * s, skirt - 0.06 * s), (x + side * s, base - 0.12 * s)], (96, 76, 58), 2)
    brush.polygon(
        [
            (x - 0.93 * radius, centre + 0.14 * s),
            (x + 0.93 * radius, centre + 0.14 * s),
            (x + 0.1 * s, skirt),
            (x - 0.1 * s, skirt),
        ],
        colour,
    )
    brush.ellipse(x, centre, radius, radius, colour)
    stripe = _lighter(colour, 0.76)
    brush.ellipse(x, centre, 0.62 * radius, radius, stripe)
    brush.ellipse(x, centre, 0.26 * radius, radius, colour)
    brush.rectangle(x - 0.075 * s, base - 0.12 * s, x + 0.075 * s, base, (136, 96, 60))


_DRAWERS: dict[str, Callable[[_Brush, _Placed, Rgb], None]] = {
    "house": _house,
    "car": _car,
    "tent": _tent,
    "boat": _boat,
    "balloon": _balloon,
}


# Colour and texture ---------------------------------------------------------------------------------


def _shade(rng: np.random.Generator, colour: Rgb) -> Rgb:
    """Another red that is still red."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in colour))
    hue = (hue + rng.uniform(-0.018, 0.018)) % 1
    saturation *= rng.uniform(0.85, 1.1)
    value *= rng.uniform(0.88, 1.06)
    red, green, blue = colorsys.hsv_to_rgb(hue, min(saturation, 1), min(value, 1))
    return round(red * 255), round(green * 255), round(blue * 255)


def _lighter(colour: Rgb, factor: float) -> Rgb:
    red, green, blue = (min(255, round(channel * factor)) for channel in colour)
    return red, green, blue


def _band(top: float, bottom: float) -> list[Point]:
    return [(0, top), (_CANVAS, top), (_CANVAS, bottom), (0, bottom)]


def _below(rng: np.random.Generator, y: float, roughness: float) -> list[Point]:
    """Everything under a wavy line."""
    xs = np.linspace(0, _CANVAS, 33)
    phases, periods = rng.uniform(0, 2 * np.pi, 3), rng.uniform(0.6, 4, 3)
    waves = sum(
        np.sin(xs / _CANVAS * 2 * np.pi * period + phase)
        for period, phase in zip(periods, phases, strict=True)
    )
    ys = y + roughness * _CANVAS * waves
    line = [(float(a), float(b)) for a, b in zip(xs, ys, strict=True)]
    return [*line, (_CANVAS, _CANVAS), (0, _CANVAS)]


def _bytes(colours: NDArray[np.float32]) -> NDArray[np.uint8]:
    return np.clip(colours, 0, 255).astype(np.uint8)


_TEXTURE = 1024
# Octaves of a texture: (cells across, cells down, weight).
_OCTAVES = {
    "clouds": ((10, 18, 1.0), (24, 40, 0.5), (60, 90, 0.25)),
    "rock": ((30, 30, 1.0), (80, 80, 0.6), (200, 200, 0.35)),
    "blades": ((260, 120, 1.0), (512, 160, 0.7)),
    "waves": ((26, 150, 1.0), (60, 300, 0.7)),
    "grain": ((1024, 1024, 1.0),),
}


def _noise(rng: np.random.Generator, name: str) -> NDArray[np.float32]:
    """A random window [448, 448] of a texture of mean 0 and deviation 1, perhaps mirrored."""
    field = _field(name)
    y, x = rng.integers(0, _TEXTURE - _CANVAS, 2)
    window = field[y : y + _CANVAS, x : x + _CANVAS]
    return window[:, ::-1] if rng.random() < 0.5 else window


@cache
def _field(name: str) -> NDArray[np.float32]:
    rng = np.random.default_rng(list(name.encode()))
    total = np.zeros((_TEXTURE, _TEXTURE), np.float32)
    for across, down, weight in _OCTAVES[name]:
        cells = Image.fromarray(rng.standard_normal((down, across)).astype(np.float32))
        smooth = np.asarray(cells.resize((_TEXTURE, _TEXTURE), Image.Resampling.BICUBIC))
        total += np.float32(weight) * smooth / smooth.std()
    return (total - total.mean()) / total.std()
