"""Objects of a label map: the connected regions of each class."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.errors import LabelError, UsageError
from groupvit_runtime.optional import optional

Mask = NDArray[np.bool_]
_Slices = tuple[slice, slice]


@dataclass(frozen=True, eq=False)
class SegmentedObject:
    """A connected region of one class.

    Attributes:
        name: of the class.
        index: of the class in the names of the result.
        box: (x, y, width, height) in pixels, from the image's upper left corner.
        area: its pixels.
        score: mean of the scores of those of its pixels that have its class; None where there are no scores.
        crop: bool [height, width], its pixels inside the box.
        image_size: (height, width) of the image.
    """

    name: str
    index: int
    box: tuple[int, int, int, int]
    area: int
    score: float | None
    crop: Mask = field(repr=False)
    image_size: tuple[int, int] = field(repr=False)

    @property
    def mask(self) -> Mask:
        """bool [H, W], its pixels in the image; made anew each time."""
        whole = np.zeros(self.image_size, bool)
        x, y, width, height = self.box
        whole[y : y + height, x : x + width] = self.crop
        return whole

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """(left, top, right, bottom) in pixels, the right and bottom ones just outside."""
        x, y, width, height = self.box
        return x, y, x + width, y + height


def find_objects(
    labels: NDArray[np.uint16],
    names: Sequence[str],
    *,
    wanted: Sequence[str],
    min_area: int = 1,
    opening: int = 0,
    closing: int = 0,
    scores: NDArray[np.float32] | None = None,
) -> tuple[SegmentedObject, ...]:
    """Connected regions, by class in the order of the names, the largest of a class first.

    Pixels that touch at a corner are connected. What lies beyond the image's edge neither opens nor closes
    anything. By `closing` a region may take pixels that the label map gives to another class.

    Args:
        labels: uint16 [H, W].
        names: of the classes.
        wanted: those to look for.
        min_area: smaller regions are left out, in pixels.
        opening: radius in pixels of a disk in which what is narrower goes, before regions are told apart.
        closing: radius in pixels of a disk by which gaps are closed, after `opening`.
        scores: float32 [H, W], of the class that each pixel has.

    Raises:
        LabelError: a wanted class is not one of the names.
        UsageError: a number is out of range.
        MissingDependencyError: SciPy is not installed.
    """
    _check_numbers(min_area=(min_area, 1), opening=(opening, 0), closing=(closing, 0))
    unknown = [name for name in wanted if name not in names]
    if unknown:
        raise LabelError(
            "objects are wanted of a class that was not segmented",
            got=", ".join(map(repr, unknown)),
            expected=f"of {', '.join(map(repr, names))}",
        )
    with optional("scipy", extra="objects", needed_for="telling objects apart"):
        from scipy import ndimage

    places = ndimage.find_objects(labels.astype(np.int32) + 1, max_label=len(names))
    found: list[SegmentedObject] = []
    for index, name in enumerate(names):
        place = places[index]
        if place is None or name not in wanted:
            continue
        place = _grown(place, opening + 2 * closing + 1 if opening or closing else 0, labels.shape)
        own = labels[place] == index
        regions = _regions(_smoothed(own, opening, closing, ndimage), own, min_area, ndimage)
        found += [
            _object(name, index, _moved(region, place), crop, labels, scores) for region, crop in regions
        ]
    return tuple(found)


def _check_numbers(**numbers: tuple[int, int]) -> None:
    for name, (number, least) in numbers.items():
        if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or number < least:
            raise UsageError(
                f"{name} is out of range",
                got=repr(number),
                expected=f"a whole number of pixels, {least} or more",
            )


def _smoothed(mask: Mask, opening: int, closing: int, ndimage: ModuleType) -> Mask:
    """Opened, then closed; the image goes on beyond its edge as each of both steps needs it."""
    if opening:
        disk = _disk(opening)
        mask = ndimage.binary_dilation(ndimage.binary_erosion(mask, disk, border_value=1), disk)
    if closing:
        disk = _disk(closing)
        mask = ndimage.binary_erosion(ndimage.binary_dilation(mask, disk), disk, border_value=1)
    return mask


def _disk(radius: int) -> Mask:
    y, x = np.ogrid[-radius : radius + 1, -radius : radius + 1]
    disk: Mask = x * x + y * y <= radius * radius
    return disk


def _regions(mask: Mask, own: Mask, min_area: int, ndimage: ModuleType) -> Iterator[tuple[_Slices, Mask]]:
    """Place and pixels of each region, the largest first, then from above to below.

    Those are left out that closing made between others and that have no pixel of their own.
    """
    numbered, count = ndimage.label(mask, structure=np.ones((3, 3), bool))
    areas = np.bincount(numbered.reshape(-1), minlength=count + 1)[1:]
    owned = np.bincount(numbered[own], minlength=count + 1)[1:]
    places = ndimage.find_objects(numbered)
    for index in np.argsort(-areas, kind="stable").tolist():
        if areas[index] < min_area:
            return
        if owned[index]:
            yield places[index], numbered[places[index]] == index + 1


def _object(
    name: str,
    index: int,
    place: _Slices,
    crop: Mask,
    labels: NDArray[np.uint16],
    scores: NDArray[np.float32] | None,
) -> SegmentedObject:
    rows, columns = place
    score = None
    if scores is not None:
        score = float(scores[place][crop & (labels[place] == index)].mean(dtype=np.float64))
    return SegmentedObject(
        name=name,
        index=index,
        box=(columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start),
        area=int(np.count_nonzero(crop)),
        score=score,
        crop=crop,
        image_size=(labels.shape[0], labels.shape[1]),
    )


def _grown(place: _Slices, by: int, size: tuple[int, ...]) -> _Slices:
    first, second = (
        slice(max(one.start - by, 0), min(one.stop + by, length))
        for one, length in zip(place, size, strict=True)
    )
    return first, second


def _moved(region: _Slices, place: _Slices) -> _Slices:
    first, second = (
        slice(inner.start + outer.start, inner.stop + outer.start)
        for inner, outer in zip(region, place, strict=True)
    )
    return first, second
