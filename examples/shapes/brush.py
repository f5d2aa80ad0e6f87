"""Draws on the image and on its mask at once."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from examples.shapes.canvas import CANVAS, OVERSAMPLED, SIZE, Point, Rgb
from examples.shapes.texture import noise


class Brush:
    """Draws on the image in a color, and on the mask with the value that is set. In canvas pixels."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.value = 0
        self._image = Image.new("RGB", (CANVAS, CANVAS))
        self._mask = Image.new("L", (CANVAS, CANVAS))
        self._on_image = ImageDraw.Draw(self._image)
        self._on_mask = ImageDraw.Draw(self._mask)

    def polygon(self, points: Sequence[Point], color: Rgb) -> None:
        self._on_image.polygon(points, fill=color)
        self._on_mask.polygon(points, fill=self.value)

    def rectangle(self, x0: float, y0: float, x1: float, y1: float, color: Rgb) -> None:
        self._on_image.rectangle((x0, y0, x1, y1), fill=color)
        self._on_mask.rectangle((x0, y0, x1, y1), fill=self.value)

    def ellipse(self, x: float, y: float, rx: float, ry: float, color: Rgb) -> None:
        box = (x - rx, y - ry, x + rx, y + ry)
        self._on_image.ellipse(box, fill=color)
        self._on_mask.ellipse(box, fill=self.value)

    def line(self, points: Sequence[Point], color: Rgb, width: int) -> None:
        """On the image only: too thin to be asked for by name."""
        self._on_image.line(points, fill=color, width=width)

    def fill(self, where: Sequence[Point], texture: NDArray[np.uint8]) -> None:
        """Fill a polygon with a texture of the canvas's size."""
        stencil = Image.new("L", (CANVAS, CANVAS))
        ImageDraw.Draw(stencil).polygon(where, fill=255)
        self._image.paste(Image.fromarray(texture), mask=stencil)
        self._on_mask.polygon(where, fill=self.value)

    def finish(self) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Image and mask at their own size."""
        image = np.asarray(self._image.reduce(OVERSAMPLED)).astype(np.float32)
        # Light, a cast of color and grain: no two photographs have the same white.
        image *= self.rng.uniform(0.85, 1.08) * self.rng.uniform(0.96, 1.04, 3).astype(np.float32)
        image += noise(self.rng, "grain")[:SIZE, :SIZE, None] * np.float32(self.rng.uniform(1, 5))
        mask = np.asarray(self._mask)[::OVERSAMPLED, ::OVERSAMPLED].copy()
        return np.clip(image, 0, 255).astype(np.uint8), mask


def shade(rng: np.random.Generator, color: Rgb) -> Rgb:
    """Another red that is still red."""
    hue, saturation, value = colorsys.rgb_to_hsv(*(channel / 255 for channel in color))
    hue = (hue + rng.uniform(-0.018, 0.018)) % 1
    saturation *= rng.uniform(0.85, 1.1)
    value *= rng.uniform(0.88, 1.06)
    red, green, blue = colorsys.hsv_to_rgb(hue, min(saturation, 1), min(value, 1))
    return round(red * 255), round(green * 255), round(blue * 255)


def lighter(color: Rgb, factor: float) -> Rgb:
    """The color times a factor; below 1 it is darker."""
    red, green, blue = (min(255, round(channel * factor)) for channel in color)
    return red, green, blue
