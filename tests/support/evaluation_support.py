"""What the tests of the runner share: small data sets on disk, and a segmenter that needs no engine."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from groupvit_export.data.dataset import IGNORE, ILLEGAL, Dataset, Sample
from groupvit_export.evaluate.identity import Identity

CLASSES = ("background", "cat", "dog", "owl")
IGNORED_VALUE = 255


def make_dataset(root: Path, images: int, *, seed: int = 0, size: tuple[int, int] = (6, 5)) -> Dataset:
    """Random truth of `CLASSES` with ignored pixels, and images whose red channel is almost the truth."""
    rng = np.random.default_rng(seed)
    samples = []
    for index in range(images):
        truth = rng.integers(0, len(CLASSES), size).astype(np.uint8)
        # Each image has an accuracy of its own, so that the worst are in a definite order.
        guess = np.where(rng.random(size) < rng.random(), truth, rng.integers(0, len(CLASSES), size))
        mask = np.where(rng.random(size) < 0.1, IGNORED_VALUE, truth).astype(np.uint8)
        image = np.zeros((*size, 3), np.uint8)
        image[..., 0] = guess
        image[..., 1] = index
        sample = Sample(f"{index:03d}", root / f"{index:03d}.png", root / f"{index:03d}-mask.png")
        Image.fromarray(image).save(sample.image)
        Image.fromarray(mask).save(sample.mask)
        samples.append(sample)
    return dataset_of(samples, root)


def dataset_of(samples: Sequence[Sample], root: Path) -> Dataset:
    table = np.full(1 << 16, ILLEGAL, np.uint16)
    table[: len(CLASSES)] = range(len(CLASSES))
    table[IGNORED_VALUE] = IGNORE
    return Dataset(
        name="folder",
        root=root,
        classes=CLASSES,
        background=True,
        background_threshold=0.5,
        class_of_value=table,
        samples=tuple(samples),
        subsets={"animals": (1, 2, 3)},
    )


@dataclass(frozen=True)
class FakePrediction:
    labels: NDArray[np.uint16]
    names: tuple[str, ...]


class FakeSegmenter:
    """Reads the labels off the red channel and notes, by the green one, which image it was."""

    def __init__(self, names: tuple[str, ...] = CLASSES) -> None:
        self.names = names
        self.seen: list[int] = []
        self._lock = threading.Lock()

    def __call__(self, rgb: NDArray[np.uint8]) -> FakePrediction:
        with self._lock:
            self.seen.append(int(rgb[0, 0, 1]))
        return FakePrediction(rgb[..., 0].astype(np.uint16), self.names)


def make_identity(**changes: object) -> Identity:
    fields = {
        "toolkit": "1",
        "manifest_sha256": "m",
        "fingerprint": "f",
        "engine": "none",
        "dataset": "folder",
        "classes": CLASSES,
        "background": True,
        "values_sha256": "v",
        "raw_masks": False,
        "samples": 12,
        "samples_sha256": "s",
        "decode": "hf",
        "background_threshold": None,
        "templates": ("a photo of {}",),
        "embeddings_sha256": "e",
    }
    return Identity(**{**fields, **changes})  # type: ignore[arg-type]
