"""Where sliding windows lie on an image; no pixels here, so a result can keep it for nothing."""

from __future__ import annotations

from dataclasses import dataclass

from groupvit_runtime.contract import SlidingWindow


@dataclass(frozen=True)
class WindowPlan:
    """The windows of one image, in pixels of the resized image.

    Attributes:
        boxes: (top, left) of each window in reading order; bottom and right are ``side`` further.
        size: (height, width) of the resized image, before padding.
        padded_size: (height, width) that the windows cover; what lies beyond ``size`` repeats the edge.
        side: of a window.
    """

    boxes: tuple[tuple[int, int], ...]
    size: tuple[int, int]
    padded_size: tuple[int, int]
    side: int


def plan_windows(image: tuple[int, int], window: SlidingWindow) -> WindowPlan:
    """Resize in proportion and lay overlapping windows over the result.

    The scale is ``min(long_side_max / long, size / short)``; each side becomes ``int(side * scale + 0.5)``
    in float64, at least 1. A side that stays shorter than a window is padded at the bottom or right. Along
    an axis of length ``n`` there are ``max(n - size + stride - 1, 0) // stride + 1`` windows, at ``i *
    stride``, the last moved back to end at the border.

    Args:
        image: (height, width) of the original.
        window: side, stride and the long side's limit, in pixels.
    """
    size = _short_side_size(image, window)
    padded = (max(size[0], window.size), max(size[1], window.size))
    boxes = tuple((top, left) for top in _starts(padded[0], window) for left in _starts(padded[1], window))
    return WindowPlan(boxes=boxes, size=size, padded_size=padded, side=window.size)


def _short_side_size(size: tuple[int, int], window: SlidingWindow) -> tuple[int, int]:
    scale = min(window.long_side_max / max(size), window.size / min(size))
    # At least 1: an image of 1 x 10000 would otherwise lose its short side to rounding.
    return max(int(size[0] * scale + 0.5), 1), max(int(size[1] * scale + 0.5), 1)


def _starts(length: int, window: SlidingWindow) -> list[int]:
    count = max(length - window.size + window.stride - 1, 0) // window.stride + 1
    return [min(index * window.stride, length - window.size) for index in range(count)]
