"""Images that precisions are judged on, with their ground truth where there is some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from groupvit_export.data.bundled import DEMO_SCENES
from groupvit_export.data.datasets import DatasetOptions, load_dataset
from groupvit_export.data.orientation import turned_line
from groupvit_export.data.sampling import spread
from groupvit_export.data.truth import read_pair
from groupvit_runtime.image_folder import image_folder
from groupvit_runtime.read_image import read_image

IMAGES: Final = 256
"""Most images of a folder that int8 is made with."""

LONG_SIDE: Final = 1024
"""Larger images are shrunk: their label maps, and in float64 their scores, are held in memory."""


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Images of one source.

    Attributes:
        images: uint8 [H, W, 3] RGB by name.
        truth: uint16 [H, W] by name, an index into `classes` or `IGNORE`; None where there is none.
        classes: K class names in the order of the labels; None where the images come without.
        background: whether ``classes[0]`` is the background.
        background_threshold: of the `paper` decode; None where there is no background.
        source: where they are from, in words.
        folder: that they were read from; None for what the package ships.
        found: how many there were to choose from; 0 where that is not known.
        shrunk: how many of them were larger.
        turned: how many have masks, and an EXIF orientation.
    """

    images: Mapping[str, NDArray[np.uint8]]
    truth: Mapping[str, NDArray[np.uint16]] | None
    classes: tuple[str, ...] | None
    background: bool
    background_threshold: float | None
    source: str
    folder: Path | None = None
    found: int = 0
    shrunk: int = 0
    turned: int = 0

    @property
    def cautions(self) -> tuple[str, ...]:
        """What a reader should know before the numbers."""
        if not self.turned:
            return ()
        fix = "if one lies as the image is stored, save the two upright"
        return (f"{turned_line(self.turned, len(self.images))}; {fix}",)

    def of(self, names: Sequence[str]) -> ImageSet:
        """Some of the images, by name."""
        return replace(
            self,
            images={name: self.images[name] for name in names},
            truth=None if self.truth is None else {name: self.truth[name] for name in names},
            # Told of the whole set; of which of its images it is not known.
            turned=0,
        )

    def spread(self, limit: int) -> ImageSet:
        """At most `limit` of the images; see `groupvit_export.data.sampling.spread`."""
        return self.of(spread(list(self.images), limit))

    def halves(self) -> tuple[ImageSet, ImageSet]:
        """Two sets without a common image: every second one by name, from the first and from the second."""
        names = sorted(self.images)
        return self.of(names[0::2]), self.of(names[1::2])


def read_images(folder: Path, limit: int = IMAGES) -> ImageSet:
    """Read a folder: images, or a data set of the layout `folder` (``images``, ``masks``, ``classes.txt``).

    What is longer than 1,024 pixels is shrunk, masks without interpolation.

    Args:
        folder: of images, or of a data set.
        limit: at most so many are read; see `groupvit_export.data.sampling.spread`.

    Raises:
        ImageError: there is no such folder or no image in it, or one of them cannot be read.
        DatasetError: it has masks, and is not laid out as the data set.
    """
    if (folder / "masks").is_dir():
        return _read_dataset(folder, limit)
    listing = image_folder(folder)
    paths = listing.images
    images, shrunk = {}, 0
    for path in spread(paths, limit):
        rgb = read_image(path)
        images[path.name] = _shrunk(rgb)
        shrunk += _is_large(rgb)
    return ImageSet(
        images=images,
        truth=None,
        classes=None,
        background=False,
        background_threshold=None,
        source=f"{_count(len(images), len(paths))} of {folder.name}"
        + (f", {len(listing.left_out)} other entries left out" if listing.left_out else ""),
        folder=folder,
        found=len(paths),
        shrunk=shrunk,
    )


def bundled_images(*, with_truth: bool) -> ImageSet:
    """The drawn scenes that the package ships.

    Args:
        with_truth: for the demo checkpoint, which was trained on such scenes; other models are compared
            with themselves only.
    """
    scenes = replace(read_images(DEMO_SCENES), source="drawn scenes of the package", folder=None)
    return scenes if with_truth else replace(scenes, truth=None, classes=None)


def _read_dataset(folder: Path, limit: int) -> ImageSet:
    # Here nobody is asked for the options that its errors would name.
    dataset = replace(load_dataset("folder", folder, DatasetOptions()), adjustable=False)
    images, truth, shrunk, turned = {}, {}, 0, 0
    for sample in spread(dataset.samples, limit):
        pair = read_pair(sample, dataset)
        images[sample.key] = _shrunk(pair.rgb)
        truth[sample.key] = _shrunk_mask(pair.truth, images[sample.key].shape[:2])
        shrunk += _is_large(pair.rgb)
        turned += pair.turned
    return ImageSet(
        images=images,
        truth=truth,
        classes=dataset.classes,
        background=dataset.background,
        background_threshold=dataset.background_threshold,
        source=f"{_count(len(images), len(dataset.samples))} of {folder.name}",
        folder=folder,
        found=len(dataset.samples),
        shrunk=shrunk,
        turned=turned,
    )


def _count(chosen: int, found: int) -> str:
    return f"{found:,} images" if chosen == found else f"{chosen} of {found:,}"


def _is_large(rgb: NDArray[np.uint8]) -> bool:
    return max(rgb.shape[:2]) > LONG_SIDE


def _shrunk(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if not _is_large(rgb):
        return rgb
    image = Image.fromarray(rgb)
    image.thumbnail((LONG_SIDE, LONG_SIDE))
    return np.asarray(image)


def _shrunk_mask(mask: NDArray[np.uint16], size: tuple[int, ...]) -> NDArray[np.uint16]:
    rows, columns = (
        (2 * np.arange(wanted) + 1) * length // (2 * wanted)
        for wanted, length in zip(size, mask.shape, strict=True)
    )
    return np.ascontiguousarray(mask[rows[:, None], columns[None, :]])
