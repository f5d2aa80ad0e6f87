"""How far the label maps of a lower precision are from fp32's, and from the truth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groupvit_export.data.images import ImageSet
from groupvit_export.metrics.confusion import ConfusionMatrix
from groupvit_export.metrics.decoding import Decoding, RunImage

LabelMaps = Mapping[str, NDArray[np.uint16]]
RunText = Callable[[tuple[str, ...]], NDArray[np.float32]]
"""K class names to their embeddings, float32 [K, P], unit vectors."""


@dataclass(frozen=True)
class Quality:
    """Label maps in figures.

    Attributes:
        miou: mean IoU in percent, against the truth where there is some, else against fp32's label maps.
        agreement: percent of the pixels with the class that fp32 gives them.
    """

    miou: float
    agreement: float


@dataclass(frozen=True, eq=False)
class Judge:
    """Segments the same images, with the same words, by any engines.

    Attributes:
        decoding: of the model.
        judged: the images.
        classes: K class names, label k is ``classes[k]``: those of `judged`, where it has some.
    """

    decoding: Decoding
    judged: ImageSet
    classes: tuple[str, ...]

    @property
    def words(self) -> tuple[str, ...]:
        """The classes that are encoded: without the background where a threshold makes it."""
        return self.classes if self._threshold is None else self.classes[1:]

    @property
    def has_masks(self) -> bool:
        """Whether `Quality.miou` is the mean IoU with masks; else it is with fp32's label maps."""
        return self.judged.truth is not None

    @property
    def measured_against(self) -> str:
        """What `Quality.miou` is the mean IoU with, in words."""
        return "masks" if self.has_masks else "the label maps of fp32"

    @property
    def described(self) -> str:
        """On what is judged, in words."""
        return (
            f"{len(self.judged.images)} images ({self.judged.source}), {len(self.classes)} classes, "
            f"{self.decoding.decode} decode, mIoU against {self.measured_against}"
        )

    def label_maps(
        self, run: RunImage, embeddings: NDArray[np.float32], progress: Callable[[], None] = lambda: None
    ) -> LabelMaps:
        """Segment all images.

        Args:
            run: the image engine.
            embeddings: float32 [K, P] of `words`.
            progress: called after every image.
        """
        maps = {}
        for name, rgb in self.judged.images.items():
            maps[name] = self.decoding.label_map(run, embeddings, rgb, self._threshold)
            progress()
        return maps

    def compare(self, maps: LabelMaps, fp32: LabelMaps) -> Quality:
        """Hold label maps against the truth, and against those of fp32."""
        truth = fp32 if self.judged.truth is None else self.judged.truth
        matrix = ConfusionMatrix.empty(len(self.classes))
        for name, labels in maps.items():
            matrix += ConfusionMatrix.of(truth[name], labels, len(self.classes))
        miou = matrix.scores().miou
        # All pixels of the masks may be ignored.
        return Quality(0.0 if miou is None else 100 * miou, agreement(maps, fp32))

    @property
    def _threshold(self) -> float | None:
        return self.judged.background_threshold if self.decoding.decode == "paper" else None


def agreement(maps: LabelMaps, others: LabelMaps) -> float:
    """Percent of the pixels that have one class in both."""
    equal = sum(int((labels == others[name]).sum()) for name, labels in maps.items())
    return 100 * equal / sum(labels.size for labels in maps.values())
