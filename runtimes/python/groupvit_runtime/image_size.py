"""How large an image may be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from groupvit_runtime.errors import ImageError, ImageSizeError, UsageError

MAX_BYTES: Final = 1 << 31
"""Of memory that reading an image may take unless the caller says otherwise."""

MAX_SIDE: Final = 1 << 18
"""In pixels: a resize, and the legend below an overlay, are wider than what is one pixel wide."""

USUAL_BYTES: Final = 12
"""Of memory for a pixel, at most: what Pillow holds, what a decoder does, and three that are the result."""

# Measured; see docs/images.md.
_BYTES_A_PIXEL: Final = {"JPEG2000": 25, "WEBP": 17, "AVIF": 14}

MAX_PIXELS: Final = MAX_BYTES // USUAL_BYTES
"""Pillow's own limit for a decompression bomb. Formats that take more memory may have fewer."""


@dataclass(frozen=True)
class SizeLimit:
    """How large an image may be.

    Attributes:
        pixels: that it may have.
        asked: whether the caller says so, whatever memory it takes.
    """

    pixels: int
    asked: bool = False

    def check(self, size: tuple[int, int], name: str, cost: int = USUAL_BYTES) -> None:
        """Refuse an image.

        Args:
            size: (width, height).
            name: of the image, for the error.
            cost: bytes of memory for a pixel.

        Raises:
            ImageSizeError: more pixels than the limit, or a side longer than `MAX_SIDE`.
            ImageError: no pixels.
        """
        width, height = size
        if width < 1 or height < 1:
            raise ImageError(
                f"{name} has no pixels",
                got=f"{width} x {height}",
                expected="a width and a height of at least 1",
            )
        pixels = self.pixels if self.asked else min(self.pixels, MAX_BYTES // cost)
        if width * height > pixels:
            raise ImageSizeError(
                f"{name} is too large",
                got=f"{width} x {height} = {width * height:,} pixels",
                expected=f"at most {pixels:,} pixels",
                fix="shrink the image, or raise max_pixels (on the command line --max-pixels) "
                "if you trust where it comes from",
            )
        if max(size) > MAX_SIDE:
            raise ImageSizeError(
                f"{name} is too long",
                got=f"{width} x {height} pixels",
                expected=f"at most {MAX_SIDE:,} pixels a side",
                fix="cut it into shorter images",
            )


def bytes_a_pixel(kind: str | None) -> int:
    """Of memory, to read an image of a format that Pillow calls so."""
    return _BYTES_A_PIXEL.get(kind or "", USUAL_BYTES)


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
