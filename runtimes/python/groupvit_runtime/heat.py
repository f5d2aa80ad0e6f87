"""Scores in colors over an image in gray, and a bar that says what the colors mean."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image

from groupvit_runtime.errors import LabelError, UsageError
from groupvit_runtime.legend import colorbar_below
from groupvit_runtime.render import check_opacity, enlarged, pasted, strips_of
from groupvit_runtime.resize import FloatArray

# Every sixteenth color of matplotlib's viridis (CC0) and the last; lines in between err by at most 5.
_ANCHORS: Final = (
    (68, 1, 84),
    (72, 24, 106),
    (71, 45, 123),
    (66, 64, 134),
    (59, 82, 139),
    (51, 99, 141),
    (44, 114, 142),
    (38, 130, 142),
    (33, 145, 140),
    (31, 160, 136),
    (40, 174, 128),
    (63, 188, 115),
    (94, 201, 98),
    (132, 212, 75),
    (173, 220, 48),
    (216, 226, 25),
    (253, 231, 37),
)


def heat_colors() -> npt.NDArray[np.uint8]:
    """uint8 [256, 3] RGB, from the lowest score to the highest: dark blue, green, yellow."""
    at = np.minimum(np.arange(len(_ANCHORS)) * 16, 255)
    channels = np.array(_ANCHORS, np.float64).T
    return (
        np.stack([np.interp(np.arange(256), at, channel) for channel in channels], axis=1)
        .round()
        .astype(np.uint8)
    )


def heat_overlay(
    rgb: npt.NDArray[np.uint8],
    scores: FloatArray,
    title: str,
    *,
    opacity: float = 0.6,
    limits: tuple[float, float] = (0.0, 1.0),
    legend: bool = True,
    font: str | os.PathLike[str] | None = None,
) -> Image.Image:
    """Scores in color over the image in gray, and a colorbar below it.

    Args:
        rgb: uint8 [H, W, 3].
        scores: float32 [H, W].
        title: what they are, beside the bar.
        opacity: of the colors, 0 to 1.
        limits: the scores of the darkest and the brightest color; what lies beyond has the same.
        legend: False for the image alone, at its own size; with it, small ones are enlarged as by `overlay`.
        font: a TrueType file for the text.

    Returns:
        An RGB image.

    Raises:
        LabelError: scores of another size than the image.
        UsageError: an opacity outside 0 to 1, or limits that do not ascend.
    """
    check_opacity(opacity)
    low, high = limits
    if not -np.inf < low < high < np.inf:
        raise UsageError("the limits do not ascend", got=limits, expected="two numbers, the lower one first")
    if scores.shape != rgb.shape[:2]:
        raise LabelError(
            "the scores do not lie over the image",
            got=f"scores {list(scores.shape)}, image {list(rgb.shape[:2])}",
            expected="the same height and width",
        )
    colors = heat_colors()
    if not legend:
        return pasted(_painted(rgb, scores, colors, opacity, limits), scores.shape)
    rgb, scores = enlarged(rgb, scores)
    strips = _painted(rgb, scores, colors, opacity, limits)
    return colorbar_below(strips, (scores.shape[1], scores.shape[0]), title, limits, colors, font)


def _painted(
    rgb: npt.NDArray[np.uint8],
    scores: FloatArray,
    colors: npt.NDArray[np.uint8],
    opacity: float,
    limits: tuple[float, float],
) -> Iterator[Image.Image]:
    share = np.uint16(round(opacity * 256))
    low, high = limits
    for strip in strips_of(scores.shape):
        level = (scores[strip] - np.float32(low)) * np.float32(255 / (high - low))
        mixed = colors[np.rint(level.clip(0, 255)).astype(np.uint8)] * share
        # Over gray: a color over a colored thing is neither the one nor the other.
        gray = np.asarray(Image.fromarray(rgb[strip]).convert("L"))
        mixed += (gray * np.uint16(256 - share))[:, :, None]
        yield Image.fromarray((mixed >> 8).astype(np.uint8))
