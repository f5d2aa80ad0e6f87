"""What masks on the grid of patches can reach at best: ``python -m examples.shapes.ceiling``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from examples.shapes.canvas import SIZE
from examples.shapes.data import PATCH
from examples.shapes.draw import draw_scene
from examples.shapes.scenes import TEST_SEED
from examples.shapes.world import VOCABULARIES, WorldVocabulary
from groupvit_export.metrics.confusion import ConfusionMatrix


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=TEST_SEED)
    arguments = parser.parse_args(argv)
    masks = [
        draw_scene(np.random.default_rng([arguments.seed, index]), held_out=True).mask
        for index in range(arguments.count)
    ]
    for name, vocabulary in VOCABULARIES.items():
        print(f"{name:10} {100 * ceiling(masks, vocabulary):.1f}")
    return 0


def ceiling(masks: Sequence[NDArray[np.uint8]], vocabulary: WorldVocabulary) -> float:
    """mIoU, 0 to 1, of soft maps that are the exact cover of every patch, interpolated as the decodes do.

    Args:
        masks: uint8 [224, 224], values of the world.
    """
    total = ConfusionMatrix.empty(len(vocabulary.classes))
    table = np.zeros(256, np.uint16)
    for index, values in enumerate(vocabulary.values):
        table[list(values)] = index
    for mask in masks:
        truth = table[mask]
        planes = (
            F.one_hot(torch.from_numpy(truth.astype(np.int64)), len(vocabulary.classes))
            .permute(2, 0, 1)[None]
            .float()
        )
        cover = F.interpolate(F.avg_pool2d(planes, PATCH), size=(SIZE, SIZE), mode="bilinear")
        best = cover[0].argmax(dim=0).numpy().astype(np.uint16)
        total = total + ConfusionMatrix.of(truth, best, len(vocabulary.classes))
    miou = total.scores().miou
    assert miou is not None
    return miou


if __name__ == "__main__":
    sys.exit(main())
