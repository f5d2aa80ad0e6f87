"""Writes the pictures that the package ships: ``python -m examples.shapes.bundled``.

They are drawn from a seed that neither trained the demo checkpoint nor tests it.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from examples.shapes.draw import draw_scene
from groupvit_export.demo import DEMO_SAMPLE

SCENES_FOLDER = DEMO_SAMPLE.parent.parent / "scenes"

_SCENES_SEED, _SCENES = 40_000, 19
_SAMPLE_SEED, _SAMPLE = 30_000, 1336
_QUALITY = 88


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=Path, default=SCENES_FOLDER, metavar="DIR")
    parser.add_argument("--sample", type=Path, default=DEMO_SAMPLE, metavar="FILE")
    arguments = parser.parse_args(argv)
    arguments.scenes.mkdir(parents=True, exist_ok=True)
    for index in range(_SCENES):
        scene = _draw(_SCENES_SEED, index)
        scene.save(arguments.scenes / f"scene-{index:02}.jpg", quality=_QUALITY)
    _draw(_SAMPLE_SEED, _SAMPLE).save(arguments.sample, optimize=True)
    return 0


def _draw(seed: int, index: int) -> Image.Image:
    return Image.fromarray(draw_scene(np.random.default_rng([seed, index]), held_out=True).picture)


if __name__ == "__main__":
    sys.exit(main())
