"""How large an image may be."""

from __future__ import annotations

from typing import Final

from groupvit_runtime.errors import ImageError, UsageError

MAX_PIXELS: Final = 178_956_970
"""Most pixels of an image unless the caller says otherwise: Pillow's own limit for a decompression bomb."""


def check_limit(max_pixels: int | None) -> int | None:
    """Give back a limit of pixels, or None.

    Raises:
        UsageError: a limit below one pixel.
    """
    if max_pixels is not None and max_pixels < 1:
        raise UsageError(
            "no image has so few pixels",
            got=f"max_pixels {max_pixels}",
            expected="a limit of at least 1",
            fix=f"leave it out for {MAX_PIXELS:,}",
        )
    return max_pixels


def check_size(size: tuple[int, int], limit: int, name: str) -> None:
    """Refuse a (width, height).

    Raises:
        ImageError: no pixels, or more than the limit.
    """
    width, height = size
    if width < 1 or height < 1:
        raise ImageError(
            f"{name} has no pixels",
            got=f"{width} x {height}",
            expected="a width and a height of at least 1",
        )
    if width * height > limit:
        raise ImageError(
            f"{name} is too large",
            got=f"{width} x {height} = {width * height:,} pixels",
            expected=f"at most {limit:,} pixels",
            fix="shrink the image, or raise max_pixels (on the command line --max-pixels) "
            "if you trust where it comes from",
        )
