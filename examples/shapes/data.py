"""Training scenes in memory: images, and which part of every quarter patch each mask value covers."""

from __future__ import annotations

import multiprocessing
import sys
import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from examples.shapes.canvas import SIZE
from examples.shapes.draw import draw_scene
from examples.shapes.world import COLORS, STUFF, THINGS, UNTOLD, stuff_value, thing_value

PATCH = 16
GRID = SIZE // PATCH

CELL = PATCH // 2
CELLS = SIZE // CELL

VALUES = (
    *(stuff_value(stuff) for stuff in STUFF),
    *(thing_value(thing, color) for thing in THINGS for color in COLORS),
    *UNTOLD,
)
"""Every mask value, in the order of the columns of `Scenes.cover`."""

_COLUMN = np.full(256, -1, np.int64)
_COLUMN[list(VALUES)] = np.arange(len(VALUES))


@dataclass(frozen=True)
class Scenes:
    """Scenes in memory.

    Attributes:
        images: uint8 [N, 224, 224, 3].
        cover: uint8 [N, 784 cells, 48 values], in 255ths of a cell; a patch has four cells.
        phrases: what each scene shows, largest first.
    """

    images: Tensor
    cover: Tensor
    phrases: tuple[tuple[str, ...], ...]


def make_scenes(count: int, seed: int, *, untold: float, workers: int) -> Scenes:
    """Draw training scenes, in which nothing is called what is held out.

    Scene ``i`` of a seed is the same whatever the count and the number of workers.
    """
    images = torch.empty((count, SIZE, SIZE, 3), dtype=torch.uint8)
    cover = torch.empty((count, CELLS * CELLS, len(VALUES)), dtype=torch.uint8)
    phrases = []
    start = time.monotonic()
    # Spawned: a forked child would inherit PyTorch's threads in an unknown state.
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        made = pool.imap(partial(_make, seed=seed, untold=untold), range(count), chunksize=50)
        for i, (image, covered, seen) in enumerate(made):
            images[i], cover[i] = torch.from_numpy(image), torch.from_numpy(covered)
            phrases.append(seen)
            if (i + 1) % 2000 == 0 or i + 1 == count:
                seconds = time.monotonic() - start
                print(f"drawn {i + 1} of {count} scenes in {seconds:.0f} s", file=sys.stderr, flush=True)
    return Scenes(images, cover, tuple(phrases))


def _make(index: int, seed: int, untold: float) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    scene = draw_scene(np.random.default_rng([seed, index]), held_out=False, untold=untold)
    columns = _COLUMN[scene.mask]
    cells = columns.reshape(CELLS, CELL, CELLS, CELL).swapaxes(1, 2).reshape(CELLS * CELLS, -1)
    flat = cells + np.arange(CELLS * CELLS)[:, None] * len(VALUES)
    counts = np.bincount(flat.ravel(), minlength=CELLS * CELLS * len(VALUES)).reshape(CELLS * CELLS, -1)
    return scene.image, np.round(counts * (255 / CELL**2)).astype(np.uint8), scene.phrases
