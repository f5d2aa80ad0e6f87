"""Arrays as images, and how to convert one that is none."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from groupvit_runtime.errors import ImageError
from groupvit_runtime.pixels import RgbArray, gray_to_rgb, over_white, to_eight_bits

ARRAY_SHAPES: Final = "uint8 or uint16 [H, W, 3] RGB, [H, W, 4] RGBA or [H, W] gray, H and W at least 1"

_OTHER_SAMPLES: Final = {
    "f": "(array * 255).round().clip(0, 255).astype(numpy.uint8) if it holds 0 to 1",
    "b": "array.astype(numpy.uint8) * 255",
}
_INTEGERS: Final = (
    "array.astype(numpy.uint8) if it holds 0 to 255, array.astype(numpy.uint16) if it holds 0 to 65535"
)


def check_array(array: npt.NDArray[np.generic]) -> None:
    """Refuse an array that has no one meaning as an image.

    Raises:
        ImageError: another dtype than unsigned 8 or 16 bits, or another shape.
    """
    kind = array.dtype.kind
    found = f"{array.dtype} {list(array.shape)}"
    if kind != "u" or array.dtype.itemsize > 2:
        raise ImageError(
            "only arrays of unsigned 8- or 16-bit pixels have a known range",
            got=found,
            expected=f"0-255 or 0-65535: {ARRAY_SHAPES}",
            fix=_OTHER_SAMPLES.get(kind, _INTEGERS if kind in "iu" else f"make it {ARRAY_SHAPES}"),
        )
    if array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4)):
        return
    raise ImageError(
        "the array does not have the shape of an image",
        got=found,
        expected=ARRAY_SHAPES,
        fix=_other_shape(array.shape),
    )


def rgb_of_array(array: npt.NDArray[np.generic]) -> RgbArray:
    """uint8 [H, W, 3] of an array that `check_array` passed, of either order of bytes."""
    pixels = np.asarray(array, np.uint8) if array.dtype.itemsize == 1 else to_eight_bits(array)
    if pixels.ndim == 2:
        return gray_to_rgb(pixels)
    return over_white(pixels) if pixels.shape[2] == 4 else np.ascontiguousarray(pixels)


def _other_shape(shape: tuple[int, ...]) -> str:
    if len(shape) == 4 and shape[3] in (1, 3, 4):
        return (
            "give its images one by one: array[0]"
            if shape[0] == 1
            else "give its images as a list: list(array)"
        )
    if len(shape) == 3 and shape[2] == 1:
        return "take the gray alone: array[:, :, 0]"
    if len(shape) == 3 and shape[2] == 2:
        return "repeat the gray before its alpha: array[:, :, [0, 0, 0, 1]]"
    if len(shape) == 3 and shape[0] in (3, 4):
        return "move the channels last: array.transpose(1, 2, 0)"
    if len(shape) == 3 and shape[0] == 1:
        return "take the gray alone: array[0]"
    return "make it an array of height, width and 3 channels"
