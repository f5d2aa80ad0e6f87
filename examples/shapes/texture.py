"""Noise that looks like something: clouds, rock, grass, waves, grain."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from examples.shapes.canvas import CANVAS

_TEXTURE = 1024
# Octaves of a texture: (cells across, cells down, weight).
_OCTAVES = {
    "clouds": ((10, 18, 1.0), (24, 40, 0.5), (60, 90, 0.25)),
    "rock": ((30, 30, 1.0), (80, 80, 0.6), (200, 200, 0.35)),
    "blades": ((260, 120, 1.0), (512, 160, 0.7)),
    "waves": ((26, 150, 1.0), (60, 300, 0.7)),
    "grain": ((1024, 1024, 1.0),),
}


def noise(rng: np.random.Generator, name: str) -> NDArray[np.float32]:
    """A random window [448, 448] of a texture of mean 0 and deviation 1, perhaps mirrored."""
    field = _field(name)
    y, x = rng.integers(0, _TEXTURE - CANVAS, 2)
    window = field[y : y + CANVAS, x : x + CANVAS]
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
