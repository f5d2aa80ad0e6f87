"""Confusion matrices, and the scores of semantic segmentation that come out of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groupvit_export.data.dataset import IGNORE
from groupvit_export.errors import GroupViTError

Cell = tuple[int, int, int]
"""Truth, prediction, pixels."""


@dataclass(frozen=True)
class Scores:
    """What a confusion matrix says. Shares are 0 to 1; None stands where there is nothing to divide by.

    A class that is neither in the truth nor predicted has no IoU and is left out of the mean, which is
    mmsegmentation's nanmean. A class that is predicted though the truth has none of it has IoU 0 and counts.

    Attributes:
        iou: of every class: both / (truth + predicted - both).
        accuracy: of every class: both / truth; None where the truth has none of it.
        miou: mean of `iou` over the classes that have one.
        pixel_accuracy: pixels predicted rightly / pixels.
        mean_accuracy: mean of `accuracy` over the classes that have one.
        truth_pixels: of every class.
        predicted_pixels: of every class, among the pixels that count.
        pixels: that count, so without those that the truth ignores.
    """

    iou: tuple[float | None, ...]
    accuracy: tuple[float | None, ...]
    miou: float | None
    pixel_accuracy: float | None
    mean_accuracy: float | None
    truth_pixels: tuple[int, ...]
    predicted_pixels: tuple[int, ...]
    pixels: int

    def subset_miou(self, classes: Iterable[int]) -> float | None:
        """Mean IoU over some classes only, by index; None where none of them has one.

        The other classes stay in the denominators: a pixel of a subset's class that went to another class
        is an error all the same.
        """
        return _mean([self.iou[index] for index in classes])


@dataclass(frozen=True, eq=False)
class ConfusionMatrix:
    """Pixels by true and predicted class.

    Sums are of integers, so they do not depend on the order in which images are added.

    Attributes:
        counts: int64 [K, K], rows truth, columns prediction, read-only.
    """

    counts: NDArray[np.int64]

    def __post_init__(self) -> None:
        self.counts.setflags(write=False)

    @staticmethod
    def empty(classes: int) -> ConfusionMatrix:
        """No pixels of `classes` classes."""
        return ConfusionMatrix(np.zeros((classes, classes), np.int64))

    @staticmethod
    def of(truth: NDArray[np.uint16], predicted: NDArray[np.uint16], classes: int) -> ConfusionMatrix:
        """Count the pixels of one image.

        Args:
            truth: uint16 [H, W]: 0 to `classes` - 1, or `IGNORE` for a pixel that counts nowhere.
            predicted: uint16 [H, W]: 0 to `classes` - 1.
            classes: K.

        Raises:
            GroupViTError: another shape, or a value that is no class.
        """
        if truth.shape != predicted.shape:
            raise GroupViTError(
                "truth and prediction are of different sizes",
                got=f"truth {list(truth.shape)}, prediction {list(predicted.shape)}",
                expected="the same height and width",
            )
        counted = truth != IGNORE
        _check_range("truth", truth[counted], classes)
        # Under ignored pixels too: a label without a class is a mistake of the decode wherever it lies.
        _check_range("prediction", predicted.reshape(-1), classes)
        pairs = truth[counted].astype(np.int64) * classes + predicted[counted]
        counts = np.bincount(pairs, minlength=classes * classes)
        return ConfusionMatrix(counts.astype(np.int64, copy=False).reshape(classes, classes))

    @staticmethod
    def from_cells(cells: Sequence[Cell], classes: int) -> ConfusionMatrix:
        """The inverse of `cells`.

        Raises:
            ValueError: a cell is outside the matrix, is given twice, or has no pixels.
        """
        counts = np.zeros((classes, classes), np.int64)
        for truth, predicted, pixels in cells:
            if not (0 <= truth < classes and 0 <= predicted < classes):
                raise ValueError(f"cell [{truth}, {predicted}] is outside {classes} classes")
            if pixels < 1 or counts[truth, predicted]:
                raise ValueError(f"cell [{truth}, {predicted}] is empty or given twice")
            counts[truth, predicted] = pixels
        return ConfusionMatrix(counts)

    @property
    def cells(self) -> tuple[Cell, ...]:
        """The cells that have pixels, row by row: one image has few of a large matrix."""
        rows, columns = np.nonzero(self.counts)
        return tuple(zip(rows.tolist(), columns.tolist(), self.counts[rows, columns].tolist(), strict=True))

    def __add__(self, other: ConfusionMatrix) -> ConfusionMatrix:
        return ConfusionMatrix(self.counts + other.counts)

    def scores(self) -> Scores:
        """IoU and accuracy by class, and their means."""
        # Python's integers and its correctly rounded division: nothing depends on NumPy's warnings.
        both = [int(value) for value in np.diagonal(self.counts)]
        truth = [int(value) for value in self.counts.sum(axis=1)]
        predicted = [int(value) for value in self.counts.sum(axis=0)]
        iou = tuple(_share(b, t + p - b) for b, t, p in zip(both, truth, predicted, strict=True))
        accuracy = tuple(_share(b, t) for b, t in zip(both, truth, strict=True))
        return Scores(
            iou=iou,
            accuracy=accuracy,
            miou=_mean(iou),
            pixel_accuracy=_share(sum(both), sum(truth)),
            mean_accuracy=_mean(accuracy),
            truth_pixels=tuple(truth),
            predicted_pixels=tuple(predicted),
            pixels=sum(truth),
        )


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _mean(values: Sequence[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None


def _check_range(what: str, values: NDArray[np.uint16], classes: int) -> None:
    if values.size and int(values.max()) >= classes:
        raise GroupViTError(
            f"the {what} has a value that is no class",
            got=int(values.max()),
            expected=f"0 to {classes - 1}",
        )
