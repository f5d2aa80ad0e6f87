"""Writes the images that the package ships: ``python -m examples.shapes.bundled``.

They are drawn from a seed that neither trained the demo checkpoint nor tests it, and lie as a data set of the
layout `folder` does, with the vocabulary ``kinds``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from examples.shapes.draw import Scene, draw_scene
from examples.shapes.world import VOCABULARIES
from groupvit_export.data.bundled import DEMO_SAMPLE, DEMO_SCENES
from groupvit_runtime.render import label_png

_SCENES_SEED, _SCENES = 40_000, 19
_SAMPLE_SEED, _SAMPLE = 30_000, 1336
_QUALITY = 88


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=Path, default=DEMO_SCENES, metavar="DIR")
    parser.add_argument("--sample", type=Path, default=DEMO_SAMPLE, metavar="FILE")
    arguments = parser.parse_args(argv)
    images, masks = arguments.scenes / "images", arguments.scenes / "masks"
    images.mkdir(parents=True, exist_ok=True)
    masks.mkdir(exist_ok=True)
    kinds = VOCABULARIES["kinds"]
    (arguments.scenes / "classes.txt").write_text("\n".join(kinds.classes) + "\n", encoding="utf-8")
    class_of_value = np.zeros(256, np.uint16)
    for index, values in enumerate(kinds.values):
        class_of_value[list(values)] = index
    for index in range(_SCENES):
        scene = _draw(_SCENES_SEED, index)
        name = f"scene-{index:02}"
        Image.fromarray(scene.image).save(images / f"{name}.jpg", quality=_QUALITY)
        label_png(class_of_value[scene.mask], masks / f"{name}.png", kinds.classes)
    Image.fromarray(_draw(_SAMPLE_SEED, _SAMPLE).image).save(arguments.sample, optimize=True)
    return 0


def _draw(seed: int, index: int) -> Scene:
    return draw_scene(np.random.default_rng([seed, index]), held_out=True)


if __name__ == "__main__":
    sys.exit(main())
