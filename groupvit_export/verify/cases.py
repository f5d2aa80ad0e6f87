"""Which inputs an exported engine is run on: batch 1, an odd batch, and a second set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groupvit_export.config import GroupViTTextConfig
from groupvit_export.verify.exported import Case
from groupvit_export.verify.pictures import synthetic_pictures
from groupvit_runtime.contract import Preprocessing
from groupvit_runtime.preprocess import prepare_whole


def image_cases(size: tuple[int, int], spec: Preprocessing) -> list[Case]:
    """Preprocessed synthetic pictures of the engine's own size and of another shape."""
    first = _batch(0, 3, size, size, spec)
    other_shape = (size[0] * 2, size[1] * 3)
    return [
        Case("first set, batch 1", first[:1]),
        Case("first set, batch 3", first),
        Case("second set, batch 2", _batch(1, 2, other_shape, size, spec)),
    ]


def text_cases(config: GroupViTTextConfig) -> list[Case]:
    """Random token ids that end where the model pools, at several batches and lengths."""
    limit = config.max_position_embeddings
    shapes = {(1, min(5, limit)), (3, min(9, limit)), (2, limit)}
    return [
        Case(f"batch {batch}, {length} tokens", _sentences(config, batch, length))
        for batch, length in sorted(shapes)
    ]


def _batch(
    seed: int, count: int, picture: tuple[int, int], size: tuple[int, int], spec: Preprocessing
) -> NDArray[np.float32]:
    return np.stack([prepare_whole(rgb, size, spec) for rgb in synthetic_pictures(seed, count, picture)])


def _sentences(config: GroupViTTextConfig, batch: int, length: int) -> NDArray[np.int64]:
    random = np.random.default_rng(length)
    last = config.vocab_size - 1 if config.pools_highest_id else config.eos_token_id
    words = random.integers(0, config.vocab_size, (batch, length))
    # Sentences of different lengths, so that pooling positions differ within the batch.
    words[words == last] = (last + 1) % config.vocab_size
    for row, end in enumerate(random.integers(1, length, batch)):
        words[row, end:] = last
    return words.astype(np.int64)
