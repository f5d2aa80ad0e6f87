"""What the tests of decoding share: random engine outputs, and a comparison up to rounding."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from hypothesis import strategies as st

LOGIT_SCALE = math.log(14.3)
seeds = st.integers(0, 2**32 - 1)


def soft_maps(rng: np.random.Generator, *shape: int, sharpness: float = 2.0) -> np.ndarray:
    """Random soft maps [..., G, gh, gw]: a softmax over groups."""
    powers = np.exp(sharpness * rng.standard_normal(shape))
    return (powers / powers.sum(axis=-3, keepdims=True)).astype(np.float32)


def embeddings(rng: np.random.Generator, *shape: int) -> np.ndarray:
    values = rng.standard_normal(shape)
    return (values / np.linalg.norm(values, axis=-1, keepdims=True)).astype(np.float32)


def agrees_where_clear(labels: np.ndarray, scores: torch.Tensor, margin: float) -> float:
    """Assert that labels are the argmax of ``scores`` [K, h, w] up to rounding; the share that was clear."""
    assert labels.dtype == np.uint16
    expected = scores.argmax(dim=0).numpy()
    assert labels.shape == expected.shape
    if len(scores) == 1:
        clear = np.ones(labels.shape, bool)
    else:
        best, second = scores.topk(2, dim=0).values
        clear = (best - second > margin).numpy()
    assert (labels == expected)[clear].all()
    return float(clear.mean())


def torch_resize(array: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return F.interpolate(array[None], size=size, mode="bilinear", align_corners=False)[0]
