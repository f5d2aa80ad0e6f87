"""What segmenting one image gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import IO, TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.render import count_labels, label_png, overlay

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PIL import Image


@dataclass(frozen=True, eq=False)
class Segmentation:
    """The label map of one image, at the image's own size; equal where labels, image and scores are.

    Attributes:
        labels: uint16 [H, W], an index into `names` for every pixel.
        names: class names; with a background threshold the first is "background".
        scores: how well each label asked for fits the whole image: softmax over the labels of the
            scaled similarity of image and text (averaged over windows by the `paper` decode).
        image: uint8 [H, W, 3], the image as it was read: RGB, upright.
        decode: "hf" or "paper".
        background: index of the background in `names`, or None.
    """

    labels: NDArray[np.uint16]
    names: tuple[str, ...]
    scores: dict[str, float]
    image: NDArray[np.uint8]
    decode: str
    background: int | None
    _group_map: Callable[[], NDArray[np.uint16]] = field(repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Segmentation):
            return NotImplemented
        plain = ("names", "scores", "decode", "background")
        return all(getattr(self, name) == getattr(other, name) for name in plain) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in ("labels", "image")
        )

    # Its arrays can be written, so it has no lasting hash.
    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def groups(self) -> NDArray[np.uint16]:
        """uint16 [H, W]: the group that every pixel belongs to.

        By the `paper` decode every window has groups of its own; they are numbered through, and where
        windows overlap the first one counts.
        """
        return self._group_map()

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
        if name not in self.names:
            raise KeyError(f"{name!r} is not one of {', '.join(self.names)}")
        mask: NDArray[np.bool_] = self.labels == self.names.index(name)
        return mask

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
