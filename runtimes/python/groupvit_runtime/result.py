"""What segmenting one image gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any, Final, Literal, overload

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.colors import Color, Colors, colors_of
from groupvit_runtime.objects import SegmentedObject, find_objects
from groupvit_runtime.render import count_labels, label_png, overlay
from groupvit_runtime.soft_result import SoftResult, check_name

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from PIL import Image

    from groupvit_runtime.group_maps import GroupMaps
    from groupvit_runtime.score_planes import ScorePlanes

    Palette = Mapping[str, Color] | Sequence[Color] | Colors | None

_TOLD: Final = 3
"""Names in a line that stands for a result."""


@dataclass(frozen=True, eq=False, repr=False)
class Segmentation(SoftResult):
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
    _make_planes: Callable[[], ScorePlanes]
    _logits: Callable[[], NDArray[np.float32]] | None
    _groups: GroupMaps
    _words: Callable[[int], tuple[tuple[tuple[str, float], ...], ...]]

    def __repr__(self) -> str:
        """One line, whatever the size and the names: what covers most of the image comes first."""
        height, width = self.labels.shape
        shares = [f"{name!r} {share:.1%}" for name, share in self.shares().items()]
        told = [*shares[:_TOLD], f"{len(shares) - _TOLD} more"] if len(shares) > _TOLD else shares
        return f"Segmentation({width}x{height}, {self.decode}: {', '.join(told)})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Segmentation):
            return NotImplemented
        plain = ("names", "scores", "decode", "background", "unlabeled", "score_names")
        return all(getattr(self, name) == getattr(other, name) for name in plain) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in ("labels", "image")
        )

    # Its arrays can be written, so it has no lasting hash.
    __hash__ = None  # type: ignore[assignment]

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
        check_name(name, self.names)
        mask: NDArray[np.bool_] = self.labels == self.names.index(name)
        return mask

    def colors(self) -> dict[str, tuple[int, int, int]]:
        """RGB of every name, as label maps and overlays have them."""
        rows = colors_of(self.names, background=self.background, unlabeled=self.unlabeled).tolist()
        return {name: (row[0], row[1], row[2]) for name, row in zip(self.names, rows, strict=True)}

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

    @overload
    def overlay(
        self,
        *,
        opacity: float = 0.5,
        legend: bool = True,
        palette: Palette = None,
        bgr: Literal[False] = False,
    ) -> Image.Image: ...

    @overload
    def overlay(
        self, *, opacity: float = 0.5, legend: bool = True, palette: Palette = None, bgr: Literal[True]
    ) -> NDArray[np.uint8]: ...

    def overlay(
        self, *, opacity: float = 0.5, legend: bool = True, palette: Palette = None, bgr: bool = False
    ) -> Image.Image | NDArray[np.uint8]:
        """The image with its classes in color, outlined, and a legend; not background and unlabeled.

        A color belongs to its name: a word has the same in every image, unless another word of the same
        label map has it already (:mod:`groupvit_runtime.colors`).

        Args:
            opacity: of the colors, 0 (outlines only) to 1.
            legend: False for the image alone, at its own size; with a legend, small images are enlarged.
            palette: colors (red, green, blue) of some names, or of all in their order, instead.
            bgr: an array as OpenCV writes it, instead of an image.

        Returns:
            An RGB image, or uint8 [h, w, 3] in the order blue, green, red.

        Raises:
            UsageError: an opacity outside 0 to 1, or a palette that is none.
        """
        image = overlay(
            self.image,
            self.labels,
            self.names,
            opacity=opacity,
            background=self.background,
            unlabeled=self.unlabeled,
            legend=legend,
            palette=palette,
        )
        return np.ascontiguousarray(np.asarray(image)[:, :, ::-1]) if bgr else image

    def save_labels(self, path: str | Path | IO[bytes], *, gray: bool = False) -> None:
        """Write the label map as a PNG of 8 bits with a palette (16 bits and none beyond 256 classes).

        Args:
            path: a path or a binary file.
            gray: leave the palette out: OpenCV and scikit-image then read the labels, and not colors.
        """
        label_png(
            self.labels,
            path,
            self.names,
            background=self.background,
            unlabeled=self.unlabeled,
            gray=gray,
        )
