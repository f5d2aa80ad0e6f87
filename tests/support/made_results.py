"""Results of no engine: label maps with scores, for what is made of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from groupvit_runtime.result import Segmentation

NAMES = ("background", "red house", "lake", "Bäume")


class _Planes:
    """Score planes of a given best score."""

    def __init__(self, best: NDArray[np.float32]) -> None:
        self._best = best

    def fill_best(self, first: int, out: NDArray[np.float32]) -> None:
        out[:] = self._best[first : first + len(out)]

    def coarse(self) -> NDArray[np.float32]:
        return self._best[None, ::4, ::4].repeat(len(NAMES), axis=0)


def blobs(seed: int, size: tuple[int, int] = (96, 128), *, smooth: float = 3.0) -> NDArray[np.uint16]:
    """A label map of four classes with large and small regions, many of them with holes."""
    noise = np.random.default_rng(seed).random((len(NAMES), *size))
    smoothed: NDArray[Any] = ndimage.gaussian_filter(noise, (0, smooth, smooth))
    return smoothed.argmax(axis=0).astype(np.uint16)


def made_result(labels: NDArray[np.uint16], **changes: Any) -> Segmentation:
    """A result with this label map; its scores differ from pixel to pixel."""
    best = np.linspace(0.25, 1, labels.size, dtype=np.float32).reshape(labels.shape)
    fields: dict[str, Any] = {
        "labels": labels,
        "names": NAMES,
        "scores": dict(zip(NAMES[1:], (0.5, 0.3, 0.2), strict=True)),
        "image": np.random.default_rng(0).integers(0, 256, (*labels.shape, 3), dtype=np.uint8),
        "decode": "hf",
        "background": 0,
        "unlabeled": None,
        "score_names": NAMES,
        "_make_planes": lambda: _Planes(best),
        "_logits": None,
        "_groups": None,
        "_words": lambda top: (),
    }
    return Segmentation(**{**fields, **changes})
