"""The size of things: images are drawn at twice their size."""

from __future__ import annotations

from typing import Final

SIZE: Final = 224
"""Side of a scene in pixels."""

OVERSAMPLED: Final = 2
CANVAS: Final = SIZE * OVERSAMPLED

Point = tuple[float, float]
Rgb = tuple[int, int, int]
