"""Which tokens are decided clearly, so that another order of a sum may not decide them otherwise."""

from __future__ import annotations

import math

import numpy as np


def clear_tokens(soft: np.ndarray, margin: float) -> np.ndarray:
    """Whether the best group leads the second by more than `margin` in logits, bool [B, N].

    Args:
        soft: soft maps, [B, G, N].
    """
    second, first = np.partition(soft, -2, axis=1)[:, -2:].swapaxes(0, 1)
    return first > second * math.exp(margin)
