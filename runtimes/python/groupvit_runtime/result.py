"""What segmenting one image gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.errors import UsageError
from groupvit_runtime.objects import SegmentedObject, find_objects
from groupvit_runtime.render import count_labels, label_png, overlay
from groupvit_runtime.score_planes import ScorePlanes, rows_at_once, strips_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from PIL import Image

    from groupvit_runtime.group_maps import GroupMaps


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The label map of one image, at the image's own size; equal where labels, names, image and scores are.

    All else is computed of the engine's small outputs when it is asked for.

    Attributes:
        labels: uint16 [H, W], an index into `names` for every pixel.
        names: class names; with a background threshold the first is "background", with a threshold or
            negatives the last is "unlabeled".
        scores: how well each label asked for fits the whole image: softmax over labels and negatives of the
            scaled similarity of image and text (averaged over windows by the `paper` decode).
        image: uint8 [H, W, 3], the image as it was read: RGB, upright.
        decode: "hf" or "paper".
        background: index of the background in `names`, or None.
        unlabeled: index of "unlabeled" in `names`, or None where every pixel has a label.
        score_names: S names of what competes for a pixel: the background where the decode makes one, the
            labels, the negatives. The order of the score planes.
    """

    labels: NDArray[np.uint16]
    names: tuple[str, ...]
    scores: dict[str, float]
    image: NDArray[np.uint8]
    decode: str
    background: int | None
    unlabeled: int | None
    score_names: tuple[str, ...]
    _make_planes: Callable[[], ScorePlanes] = field(repr=False)
    _logits: Callable[[], NDArray[np.float32]] | None = field(repr=False)
    _groups: GroupMaps = field(repr=False)
    _words: Callable[[int], tuple[tuple[tuple[str, float], ...], ...]] = field(repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Segmentation):
            return NotImplemented
        plain = ("names", "scores", "decode", "background", "unlabeled", "score_names")
        return all(getattr(self, name) == getattr(other, name) for name in plain) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in ("labels", "image")
        )

    # Its arrays can be written, so it has no lasting hash.
    __hash__ = None  # type: ignore[assignment]

    def score_map(self) -> NDArray[np.float32]:
        """float32 [H, W, S]: the score of every one of `score_names` at every pixel, in 0..1.

        By the `hf` decode probabilities, which sum to 1 at each pixel up to rounding
        (:mod:`groupvit_runtime.hf_planes`); by the `paper` decode the scores of which the largest
        wins, which do not (:mod:`groupvit_runtime.paper_planes`). It takes 4 H W S
        bytes; `score_strips` does not.

        Returns:
            A view of an array that lies plane by plane: ``score_map()[:, :, k]`` is contiguous.
        """
        return next(self.score_strips(rows=len(self.labels)))[1]

    def score_strips(self, rows: int | None = None) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """`score_map` from above to below, a few rows at a time.

        Args:
            rows: of a strip; None for as many as take 16 MiB.

        Returns:
            (first row, float32 [rows, W, S]) of each strip, the last of which may have fewer rows.

        Raises:
            UsageError: ``rows`` below 1.
        """
        if rows is not None and (isinstance(rows, bool) or not isinstance(rows, int) or rows < 1):
            raise UsageError("a strip has at least one row", got=repr(rows), expected="1 or more, or None")
        return self._strips(rows or rows_at_once(len(self.score_names), self.labels.shape[1]))

    def _strips(self, rows: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        height, width = self.labels.shape
        for strip in strips_of(height, rows):
            planes = np.empty((len(self.score_names), strip.stop - strip.start, width), np.float32)
            self._planes.fill(strip.start, planes)
            yield strip.start, planes.transpose(1, 2, 0)

    def coarse_scores(self) -> NDArray[np.float32]:
        """float32 [h, w, S]: scores where the decode computes them, before they are resized to the image.

        By the `hf` decode on the grid of patches; by the `paper` decode on the resized image.
        """
        return self._planes.coarse().transpose(1, 2, 0)

    def heatmap(self, name: str) -> NDArray[np.float32]:
        """float32 [H, W]: the score of one of `score_names` at every pixel, in 0..1.

        Raises:
            KeyError: there is no such name.
        """
        _check_name(name, self.score_names)
        plane = np.empty(self.labels.shape, np.float32)
        self._planes.fill_plane(self.score_names.index(name), 0, plane)
        return plane

    @cached_property
    def confidence(self) -> NDArray[np.float32]:
        """float32 [H, W], in 0..1: the largest score at every pixel, that of the class that won it."""
        best = np.empty(self.labels.shape, np.float32)
        self._planes.fill_best(0, best)
        return best

    def segmentation_logits(self) -> NDArray[np.float32]:
        """float32 [S, H', W']: transformers' ``segmentation_logits``, at the size of the engine's input.

        Raises:
            UsageError: it was segmented by the `paper` decode, which has none.
        """
        if self._logits is None:
            raise UsageError(
                "the paper decode has no segmentation logits",
                got="decode='paper'",
                expected="decode='hf', whose logits they are",
                fix="score_map() and coarse_scores() are for both decodes",
            )
        return self._logits()

    @cached_property
    def _planes(self) -> ScorePlanes:
        return self._make_planes()

    def groups(self, stage: int | None = None) -> NDArray[np.uint16]:
        """uint16 [H, W]: the group of a stage that every pixel belongs to.

        By the `paper` decode every window has groups of its own; they are numbered through, and where
        windows overlap the first one counts.

        Args:
            stage: the number of the grouping block, from 1; None for the last.

        Raises:
            UsageError: the model has no such stage, or its engine does not give it.
        """
        return self._groups.at(stage)

    def group_words(self, top: int = 5) -> tuple[tuple[tuple[str, float], ...], ...]:
        """The labels and negatives that fit each group of the last stage best.

        Args:
            top: how many a group at most.

        Returns:
            For each group, by its number in `groups`, pairs of name and probability, the best first: softmax
            over labels and negatives of the scaled similarity of group and text.

        Raises:
            UsageError: ``top`` below 1.
        """
        return self._words(top)

    def shares(self) -> dict[str, float]:
        """Share of the image's pixels by name, largest first, names that do not occur left out."""
        counts = count_labels(self.labels, len(self.names))
        order = sorted(range(len(self.names)), key=lambda index: (-counts[index], index))
        return {self.names[i]: float(counts[i] / self.labels.size) for i in order if counts[i]}

    def mask(self, name: str) -> NDArray[np.bool_]:
        """bool [H, W]: the pixels of class `name`.

        Raises:
            KeyError: there is no such class.
        """
        _check_name(name, self.names)
        mask: NDArray[np.bool_] = self.labels == self.names.index(name)
        return mask

    def objects(
        self, names: Sequence[str] | None = None, *, min_area: int = 1, opening: int = 0, closing: int = 0
    ) -> tuple[SegmentedObject, ...]:
        """Connected regions of the classes, by class in the order of `names`, the largest of a class first.

        Pixels that touch at a corner are connected. By `closing` a region may take pixels that the label map
        gives to another class.

        Args:
            names: classes to look for; None for all but the background and "unlabeled".
            min_area: smaller regions are left out, in pixels.
            opening: radius in pixels of a disk in which what is narrower goes, before regions are told apart.
            closing: radius in pixels of a disk by which gaps are closed, after `opening`.

        Returns:
            Objects with area, box, pixels, and the mean `confidence` of those of their pixels that have their
            class.

        Raises:
            LabelError: a name is not one of `names`.
            UsageError: a number is out of range.
            MissingDependencyError: SciPy is not installed (extra `objects`).
        """
        left_out = (self.background, self.unlabeled)
        return find_objects(
            self.labels,
            self.names,
            wanted=[name for index, name in enumerate(self.names) if index not in left_out]
            if names is None
            else names,
            min_area=min_area,
            opening=opening,
            closing=closing,
            scores=self.confidence,
        )

    def to_coco(
        self,
        objects: Sequence[SegmentedObject] | None = None,
        *,
        file_name: str = "image",
        image_id: int = 1,
    ) -> dict[str, Any]:
        """A COCO document of this image: masks run-length encoded, as pycocotools reads them.

        Args:
            objects: those that go into it; None for all of `objects()`.
            file_name: of the image.
            image_id: of the image.

        Returns:
            `images`, `annotations` (with `score`) and `categories`, whose ids are indices of `names` and 1.

        Raises:
            MissingDependencyError: pycocotools or SciPy is not installed (extra `formats`).
        """
        from groupvit_runtime.formats.coco import coco_document

        height, width = self.labels.shape
        chosen = self.objects() if objects is None else objects
        return coco_document(chosen, self.names, (height, width), file_name=file_name, image_id=image_id)

    def to_supervision(self, objects: Sequence[SegmentedObject] | None = None) -> Any:
        """`supervision.Detections`: boxes, masks of the image's size, classes, names and scores.

        Args:
            objects: those that go into it; None for all of `objects()`. A mask takes H W bytes.

        Raises:
            MissingDependencyError: supervision or SciPy is not installed.
        """
        from groupvit_runtime.formats.supervision_detections import supervision_detections

        return supervision_detections(self.objects() if objects is None else objects)

    def to_fiftyone(self, objects: Sequence[SegmentedObject] | None = None) -> Any:
        """`fiftyone.Detections`: labels, relative boxes, masks inside them, and scores as confidences.

        Args:
            objects: those that go into it; None for all of `objects()`.

        Raises:
            MissingDependencyError: FiftyOne or SciPy is not installed.
        """
        from groupvit_runtime.formats.fiftyone_detections import fiftyone_detections

        return fiftyone_detections(self.objects() if objects is None else objects)

    def save_as(
        self,
        path: str | Path,
        format: str,
        objects: Sequence[SegmentedObject] | None = None,
        *,
        image: str | Path | None = None,
    ) -> None:
        """Write a file that other programs open.

        Args:
            path: of the file.
            format: "png", "npz", "coco", "labelme", "geojson", "cvat" or "yolo".
            objects: those that go into it; None for all of `objects()`.
            image: path of the image, which COCO and CVAT name and labelme opens; None for "image".

        Raises:
            UsageError: there is no such format.
            MissingDependencyError: the package that makes it is not installed (extra `formats`).
            GroupViTError: the file cannot be written.
        """
        from groupvit_runtime.formats import save

        save(self, path, format, objects, image)

    def overlay(self, *, opacity: float = 0.5) -> Image.Image:
        """The image with its classes in color and a legend."""
        return overlay(self.image, self.labels, self.names, opacity=opacity, background=self.background)

    def save_labels(self, path: str | Path | IO[bytes], *, gray: bool = False) -> None:
        """Write the label map as a PNG of 8 bits with a palette (16 bits and none beyond 256 classes).

        Args:
            path: a path or a binary file.
            gray: leave the palette out: OpenCV and scikit-image then read the labels, and not colors.
        """
        label_png(self.labels, path, len(self.names), background=self.background, gray=gray)


def _check_name(name: str, names: tuple[str, ...]) -> None:
    if name not in names:
        raise KeyError(f"{name!r} is not one of {', '.join(map(repr, names))}")
