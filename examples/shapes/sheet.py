"""A sheet of scenes, for people: ``python -m examples.shapes.sheet -o FILE``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from examples.shapes.canvas import SIZE
from examples.shapes.draw import draw_scene
from examples.shapes.scenes import TEST_SEED

_GAP = 4


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE")
    parser.add_argument("--columns", type=int, default=4)
    parser.add_argument("--rows", type=int, default=2)
    parser.add_argument("--seed", type=int, default=TEST_SEED)
    arguments = parser.parse_args(argv)
    step = SIZE + _GAP
    sheet = Image.new("RGB", (arguments.columns * step - _GAP, arguments.rows * step - _GAP), "white")
    for index in range(arguments.columns * arguments.rows):
        scene = draw_scene(np.random.default_rng([arguments.seed, index]), held_out=True)
        row, column = divmod(index, arguments.columns)
        sheet.paste(Image.fromarray(scene.image), (column * step, row * step))
    sheet.save(arguments.output, quality=90)
    return 0


if __name__ == "__main__":
    sys.exit(main())
