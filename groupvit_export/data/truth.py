"""From a mask on disk to the classes of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from groupvit_export.data.dataset import IGNORE, ILLEGAL, Dataset, Sample
from groupvit_export.data.orientation import UPRIGHT, exif_orientation, stored_size, upright
from groupvit_export.errors import ImageError
from groupvit_runtime.decoder_errors import DECODER_ERRORS
from groupvit_runtime.image_size import MAX_PIXELS
from groupvit_runtime.load_image import load_whole
from groupvit_runtime.png_chunks import check_chunks
from groupvit_runtime.read_image import read_image

# Pillow's names for palette, 8-bit gray, 16-bit gray and 1-bit gray.
_MODES: Final = ("P", "L", "I;16", "1")

# Up to the bit depth and color type of the IHDR chunk, which the PNG standard puts first.
_PNG_HEADER_BYTES: Final = 26
_GRAY: Final = 0

_SHOWN_VALUES: Final = 8


class TruthError(ImageError):
    """A mask that cannot be read, does not fit its image, or has values that the data set does not have."""


@dataclass(frozen=True, eq=False)
class Pair:
    """An image and its ground truth, both upright.

    Attributes:
        rgb: uint8 [H, W, 3].
        truth: uint16 [H, W]: class indices, or `IGNORE`.
        turned: whether the image's file has an EXIF orientation, so that it matters how the mask lies.
    """

    rgb: NDArray[np.uint8]
    truth: NDArray[np.uint16]
    turned: bool


def read_pair(sample: Sample, dataset: Dataset) -> Pair:
    """Read an image and its ground truth.

    Raises:
        ImageError: the image cannot be read.
        TruthError: see `read_truth`.
    """
    rgb = read_image(sample.image)
    orientation = exif_orientation(sample.image)
    truth = read_truth(sample, dataset, (rgb.shape[0], rgb.shape[1]), orientation)
    return Pair(rgb, truth, orientation != UPRIGHT)


def read_truth(
    sample: Sample, dataset: Dataset, size: tuple[int, int], orientation: int = UPRIGHT
) -> NDArray[np.uint16]:
    """Read the ground truth of a sample.

    Masks are PNG files of one channel: palette (the indices are the values, whatever the colors), 8- or
    16-bit gray, or 1 bit (0 and 1). Gray of 2 or 4 bits is refused: decoders scale it to 8 bits, so that
    two values could be meant. Checksums are verified, because damage that still decodes would count as truth.
    An EXIF orientation of the mask itself is not applied. The image's is, where the data set has raw masks;
    otherwise a mask covers the image as it is seen.

    Args:
        sample: of `dataset`.
        dataset: gives the meaning of mask values.
        size: (height, width) of the image, upright.
        orientation: EXIF's, of the image.

    Returns:
        uint16 [H, W] in C order: class indices below ``len(dataset.classes)``, or `IGNORE`.

    Raises:
        TruthError: no such file, damaged, not a PNG of one channel, of another size than the image, or
            with a value that is `ILLEGAL`.
    """
    turn = orientation if dataset.raw_masks else UPRIGHT
    values = _read_values(sample.mask, stored_size(size, turn), dataset)
    truth: NDArray[np.uint16] = dataset.class_of_value[values]
    illegal = truth == ILLEGAL
    if illegal.any():
        raise _illegal_values(sample.mask, values, illegal, dataset)
    return upright(truth, turn)


def _read_values(path: Path, size: tuple[int, int], dataset: Dataset) -> NDArray[np.generic]:
    try:
        _check_file(path)
        with path.open("rb") as file:
            image = PngImageFile(file)
            _check_kind(image, path)
            _check_size(image.size, size, path, dataset)
            if image.width * image.height > MAX_PIXELS:
                raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
            check_chunks(file)
            file.seek(0)
            _check_depth(file.read(_PNG_HEADER_BYTES), path)
            load_whole(image)
            values = np.asarray(image)
    except (*DECODER_ERRORS, MemoryError) as error:
        raise _unreadable(path, error) from error
    return values.astype(np.uint8) if values.dtype == np.bool_ else values


def _check_file(path: Path) -> None:
    # Looked at beforehand, because Pillow's answer to each of these is about the file's format.
    if path.is_dir():
        found = "a directory"
    elif not path.exists():
        found = "nothing"
    elif path.is_file() and path.stat().st_size == 0:
        found = "an empty file"
    else:
        return
    raise TruthError(
        f"there is no mask at {path}",
        got=found,
        expected="a PNG file of one channel",
        fix="copy the mask from the data set again, or take the image out of the list",
    )


def _check_kind(image: Image.Image, path: Path) -> None:
    if image.mode not in _MODES:
        raise TruthError(
            f"the mask {path} has several channels; which class a color stands for is not in the file",
            got=f"mode {image.mode}: {', '.join(image.getbands())}",
            expected="one channel of class values: a palette, or 8- or 16-bit gray",
            fix="save the class indices themselves; a palette that was turned into colors must be undone",
        )


def _check_size(mask: tuple[int, int], image: tuple[int, int], path: Path, dataset: Dataset) -> None:
    """Compare Pillow's (width, height) with (height, width)."""
    width, height = mask
    if (height, width) == image:
        return
    fix = "make the mask from this image, or scale it with nearest-neighbor interpolation"
    if (width, height) == image and dataset.raw_masks:
        fix = "leave --raw-masks out, or save this mask as its image is stored"
    elif (width, height) == image:
        fix = "save the mask upright: its image is shown turned, by its EXIF orientation"
        fix += "; --raw-masks, if all masks lie as their images are stored" if dataset.adjustable else ""
    raise TruthError(
        f"the mask {path} does not have the size of its image",
        got=f"{width} x {height}",
        expected=f"{image[1]} x {image[0]} (width x height)",
        fix=fix,
    )


def _check_depth(header: bytes, path: Path) -> None:
    depth, color_type = header[-2], header[-1]
    if color_type == _GRAY and depth in (2, 4):
        raise TruthError(
            f"the mask {path} is gray of {depth} bits, which decoders scale to 8 bits",
            got=f"values that are 0 to {(1 << depth) - 1} to one reader and 0 to 255 to another",
            expected="a palette, or 8- or 16-bit gray",
            fix="save it with 8 bits, after checking which of the two its values mean",
        )


def _unreadable(path: Path, error: BaseException) -> TruthError:
    if isinstance(error, PermissionError):
        return TruthError(
            f"the mask {path} may not be read",
            got=error.strerror,
            expected="a file this process may read",
            fix="change its permissions",
        )
    return TruthError(
        f"the mask {path} cannot be read",
        got=f"{type(error).__name__}: {error}",
        expected="a whole PNG file",
        fix="copy it from the data set again; another format must be saved as PNG, without loss",
    )


def _illegal_values(
    path: Path, values: NDArray[np.generic], illegal: NDArray[np.bool_], dataset: Dataset
) -> TruthError:
    found, counts = np.unique(values[illegal], return_counts=True)
    parts = []
    for value, count in list(zip(found.tolist(), counts.tolist(), strict=True))[:_SHOWN_VALUES]:
        row, column = np.unravel_index(int(np.argmax(values == value)), values.shape)
        parts.append(f"{value} ({count} pixels, the first at row {row}, column {column})")
    more = f" and {len(found) - _SHOWN_VALUES} more values" if len(found) > _SHOWN_VALUES else ""
    return TruthError(
        f"the mask {path} has values that are no class of {dataset.name}",
        got=", ".join(parts) + more,
        expected=_legal_values(dataset),
        fix=_fix_of_values(found.tolist(), dataset),
    )


def _fix_of_values(found: list[int], dataset: Dataset) -> str:
    if not dataset.adjustable:
        return "check that this is the data set's own mask"
    ignored = np.flatnonzero(dataset.class_of_value == IGNORE).tolist()
    parts = []
    # Reduced, 0 is among the ignored values.
    if len(dataset.classes) in found and 0 not in ignored:
        parts.append("--reduce-zero-label, if 0 is void and classes count from 1")
    if len(found) <= _SHOWN_VALUES:
        values = ",".join(str(value) for value in sorted({*found, *ignored} - {0}))
        parts.append(f"--ignore-index {values}, if {_those(found)} to count nowhere")
    return "; ".join(parts) or "check that these are masks of class numbers, and that no class is missing"


def _those(values: list[int]) -> str:
    return f"{values[0]} is" if len(values) == 1 else "these values are"


def _legal_values(dataset: Dataset) -> str:
    legal = np.flatnonzero(dataset.class_of_value != ILLEGAL)
    runs = np.split(legal, np.flatnonzero(np.diff(legal) > 1) + 1)
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]} to {run[-1]}" for run in runs)
