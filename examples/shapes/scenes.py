"""Writes scenes with ground truth: ``python -m examples.shapes.scenes -o DIR``."""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

from examples.shapes.draw import draw_scene
from examples.shapes.world import BACKGROUND_THRESHOLD, TEMPLATE, VOCABULARIES

TEST_SEED = 20_000
"""Scenes of this seed were used neither to train the demo checkpoint nor to choose anything about it."""


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=TEST_SEED)
    parser.add_argument("--workers", type=int, default=multiprocessing.cpu_count())
    arguments = parser.parse_args(argv)
    for number, (file, _) in enumerate(
        write_scenes(arguments.output, arguments.count, arguments.seed, arguments.workers), 1
    ):
        if number % 100 == 0 or number == arguments.count:
            print(f"{number} of {arguments.count} scenes, last {file}", file=sys.stderr, flush=True)
    print(f"next: groupvit eval BUNDLE --dataset shapes --root {arguments.output} --vocabulary kinds")
    return 0


def write_scenes(folder: Path, count: int, seed: int, workers: int) -> Iterator[tuple[str, str]]:
    """Write `folder`/images, `folder`/masks and, last, scenes.json; yields file name and caption of each.

    Scene ``i`` of a seed is the same whatever the count and the number of workers. The held-out
    compositions may appear.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "masks").mkdir(exist_ok=True)
    scenes = []
    write = partial(_write, folder=folder, seed=seed)
    with contextlib.ExitStack() as stack:
        written: Iterable[tuple[str, str]] = map(write, range(count))
        if workers > 1:
            pool = stack.enter_context(multiprocessing.get_context("spawn").Pool(workers))
            written = pool.imap(write, range(count), chunksize=4)
        for file, caption in written:
            scenes.append({"file": file, "caption": caption})
            yield file, caption
    index = {
        "format": "groupvit-scenes-1",
        "templates": [TEMPLATE],
        "vocabularies": _vocabularies(),
        "scenes": scenes,
    }
    (folder / "scenes.json").write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def _vocabularies() -> dict[str, object]:
    return {
        name: {
            "classes": vocabulary.classes,
            "values": {str(value): i for i, values in enumerate(vocabulary.values) for value in values},
            "ignore": [],
            "background": vocabulary.background,
            "background_threshold": BACKGROUND_THRESHOLD if vocabulary.background else None,
            "subsets": dict(vocabulary.subsets),
        }
        for name, vocabulary in VOCABULARIES.items()
    }


def _write(index: int, folder: Path, seed: int) -> tuple[str, str]:
    scene = draw_scene(np.random.default_rng([seed, index]), held_out=True)
    file = f"{index:06}.png"
    Image.fromarray(scene.image).save(folder / "images" / file)
    Image.fromarray(scene.mask).save(folder / "masks" / file)
    return file, scene.caption


if __name__ == "__main__":
    sys.exit(main())
