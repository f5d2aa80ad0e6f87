"""Which inputs the backends are run on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from groupvit_export.model.config import GroupViTTextConfig
from groupvit_export.verification.synthetic_images import edge_images, synthetic_images
from groupvit_runtime.contract import Preprocessing
from groupvit_runtime.preprocess import prepare_whole

Kind = Literal["image", "edge"]
"""Every kind has budgets of its own: the noise on a checkerboard must not excuse a fault on a photograph."""

BATCHES: Final = (1, 8, 3, 5)
"""Sizes of the batches in which images are run; odd ones among them."""


@dataclass(frozen=True, eq=False)
class Case:
    """One run: what it is called, and its input.

    Attributes:
        name: for people.
        kind: which budgets it has.
        value: pixel_values float32 [B, 3, H, W] of the image engine, or input_ids int64 [B, L] of the text
            engine.
    """

    name: str
    kind: Kind
    value: NDArray[Any]


def image_cases(
    images: Mapping[str, NDArray[np.uint8]],
    size: tuple[int, int],
    spec: Preprocessing,
    batches: Sequence[int] = BATCHES,
    max_batch: int | None = None,
) -> list[Case]:
    """Images in batches of different sizes, in turn, until all are used.

    Args:
        images: uint8 [H, W, 3] by name, of any sizes.
        size: (height, width) of the engine.
        spec: how they are prepared.
        batches: sizes of the batches.
        max_batch: no batch is larger; None where there is no limit.
    """
    if max_batch is not None:
        batches = [min(count, max_batch) for count in batches]
    cases: list[Case] = []
    waiting = list(images.items())
    while waiting:
        count = batches[len(cases) % len(batches)]
        batch, waiting = waiting[:count], waiting[count:]
        names = batch[0][0] if len(batch) == 1 else f"{batch[0][0]} to {batch[-1][0]}"
        value = np.stack([prepare_whole(rgb, size, spec) for _, rgb in batch])
        cases.append(Case(f"{names} (batch {len(batch)})", "image", value))
    return cases


def synthetic_cases(size: tuple[int, int], spec: Preprocessing, max_batch: int | None = None) -> list[Case]:
    """Made images of the engine's own size and of another, at batches 1, 3 and 4, and all 8 at once."""
    other_shape = (size[0] * 2, size[1] * 3)
    sets = {"first": (0, 4, size), "second": (1, 4, other_shape)}
    images = {
        f"synthetic {name} {index}": rgb
        for name, (seed, count, shape) in sets.items()
        for index, rgb in enumerate(synthetic_images(seed, count, shape))
    }
    return [
        *image_cases(images, size, spec, batches=(1, 3, 4), max_batch=max_batch),
        *image_cases(images, size, spec, batches=(len(images),), max_batch=max_batch),
    ]


def edge_cases(size: tuple[int, int], spec: Preprocessing, max_batch: int | None = None) -> list[Case]:
    """The images of `edge_images` in one batch of five, or in as many as it takes."""
    images = edge_images(size)
    names = list(images)
    count = min(len(names), max_batch or len(names))
    batches = [names[start : start + count] for start in range(0, len(names), count)]
    return [
        Case(", ".join(batch), "edge", np.stack([prepare_whole(images[name], size, spec) for name in batch]))
        for batch in batches
    ]


def text_cases(config: GroupViTTextConfig) -> list[Case]:
    """Random token ids that end where the model pools, at several batches and lengths."""
    limit = config.max_position_embeddings
    shapes = {(1, min(5, limit)), (3, min(9, limit)), (2, limit)}
    return [
        Case(f"batch {batch}, {length} tokens", "image", _sentences(config, batch, length))
        for batch, length in sorted(shapes)
    ]


def _sentences(config: GroupViTTextConfig, batch: int, length: int) -> NDArray[np.int64]:
    random = np.random.default_rng(length)
    last = config.vocab_size - 1 if config.pools_highest_id else config.eos_token_id
    words = random.integers(0, config.vocab_size, (batch, length))
    # Sentences of different lengths, so that pooling positions differ within the batch.
    words[words == last] = (last + 1) % config.vocab_size
    for row, end in enumerate(random.integers(1, length, batch)):
        words[row, end:] = last
    return words.astype(np.int64)
