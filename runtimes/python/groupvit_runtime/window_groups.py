"""The group map of an image that was cut into sliding windows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.upsampled_argmax import upsampled_argmax
from groupvit_runtime.windows import WindowPlan


def window_groups(
    plan: WindowPlan, masks: NDArray[np.float32], out_size: tuple[int, int]
) -> NDArray[np.uint16]:
    """Number the groups of all windows through and lay them out on the image.

    Groups of different windows have nothing in common, so nothing is averaged: where windows overlap
    the first one counts, and the map is resized to the nearest pixel.

    Args:
        plan: where the windows lie.
        masks: float32 [n, G, gh, gw].
        out_size: (height, width) of the image.

    Returns:
        uint16 [height, width]: window * G + group.
    """
    count, groups = masks.shape[:2]
    side = plan.side
    canvas = np.zeros(plan.padded_size, np.uint16)
    for index in reversed(range(count)):
        top, left = plan.boxes[index]
        own = upsampled_argmax(masks[index], (side, side))
        canvas[top : top + side, left : left + side] = own + np.uint16(index * groups)
    rows = _nearest(plan.size[0], out_size[0])
    columns = _nearest(plan.size[1], out_size[1])
    return canvas[rows[:, None], columns]


def _nearest(src: int, dst: int) -> NDArray[np.intp]:
    return ((2 * np.arange(dst, dtype=np.intp) + 1) * src) // (2 * dst)
