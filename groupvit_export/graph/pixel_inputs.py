"""From normalized images back to their pixels, for engines that normalize by themselves.

Everything is verified on one kind of input, pixel_values, whose pixels follow from it: a channel has 256
values at most, all of them different. So the reference is given the tables of `groupvit_runtime.preprocess`,
which were computed in float64 and rounded once, and the engine what they were made of.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groupvit_export.errors import EngineError
from groupvit_runtime.contract import Preprocessing
from groupvit_runtime.preprocess import normalizing_table


def pixels_of(pixel_values: NDArray[np.float32], spec: Preprocessing) -> NDArray[np.uint8]:
    """The pixels that were normalized.

    Args:
        pixel_values: float32 [B, 3, H, W].
        spec: how.

    Returns:
        uint8 [B, H, W, 3] in RGB.

    Raises:
        EngineError: a value is none that a pixel becomes.
    """
    table = normalizing_table(spec)
    planes = [
        np.minimum(np.searchsorted(row, pixel_values[:, channel]), 255) for channel, row in enumerate(table)
    ]
    strange = sum(
        int((row[plane] != pixel_values[:, channel]).sum())
        for channel, (row, plane) in enumerate(zip(table, planes, strict=True))
    )
    if strange:
        raise EngineError(
            "the engine normalizes pixels by itself, and the input is not made of pixels like this",
            got=f"{strange:,} values that no pixel becomes",
            expected=f"pixels with mean {spec.mean} and std {spec.std}",
        )
    if spec.color_order == "BGR":
        planes.reverse()
    return np.ascontiguousarray(np.stack(planes, axis=-1).astype(np.uint8))
