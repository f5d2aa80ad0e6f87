"""PASCAL VOC 2012 and PASCAL Context, laid out as MMSegmentation and NVlabs' GroupViT expect them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from groupvit_export.data.dataset import Dataset, Sample
from groupvit_export.data.datasets.class_names import CONTEXT_CLASSES, VOC_CLASSES
from groupvit_export.data.datasets.home import check_split, find_home, layout_error
from groupvit_export.data.datasets.spec import DatasetOptions
from groupvit_export.data.datasets.split import read_split
from groupvit_export.data.datasets.values import value_table
from groupvit_runtime.competition import BACKGROUND

VOC_LAYOUT: Final = """\
VOCdevkit/VOC2012/
  JPEGImages/*.jpg
  SegmentationClass/*.png
  ImageSets/Segmentation/val.txt"""

CONTEXT_LAYOUT: Final = """\
VOCdevkit/VOC2010/
  JPEGImages/*.jpg
  SegmentationClassContext/*.png
  ImageSets/SegmentationContext/val.txt"""

_BORDER: Final = 255


@dataclass(frozen=True)
class _Devkit:
    """Where a data set of the development kit has its parts, and how one comes by them."""

    folder: str
    masks: str
    lists: str
    layout: str
    advice: str


_VOC: Final = _Devkit(
    folder="VOC2012",
    masks="SegmentationClass",
    lists="ImageSets/Segmentation",
    layout=VOC_LAYOUT,
    advice="unpack VOCtrainval_11-May-2012.tar",
)
_CONTEXT: Final = _Devkit(
    folder="VOC2010",
    masks="SegmentationClassContext",
    lists="ImageSets/SegmentationContext",
    layout=CONTEXT_LAYOUT,
    advice="make the masks from trainval_merged.json with MMSegmentation's converter pascal_context.py",
)


def load_voc2012(root: Path, options: DatasetOptions) -> Dataset:
    """20 classes and background; the palette indices of the masks are the truth, 255 is the border.

    Raises:
        DatasetError, UsageError: as `find_home` and `read_split`.
    """
    return _load("voc2012", root, options, _VOC, (BACKGROUND, *VOC_CLASSES), 0.95)


def load_context60(root: Path, options: DatasetOptions) -> Dataset:
    """59 classes and background, as NVlabs evaluate on PASCAL Context; 255 is ignored.

    Raises:
        DatasetError, UsageError: as `find_home` and `read_split`.
    """
    return _load("context60", root, options, _CONTEXT, (BACKGROUND, *CONTEXT_CLASSES), 0.35)


def load_context59(root: Path, options: DatasetOptions) -> Dataset:
    """The same masks without background: 0 and 255 are ignored, value ``v`` is class ``v - 1``.

    Raises:
        DatasetError, UsageError: as `find_home` and `read_split`.
    """
    return _load("context59", root, options, _CONTEXT, CONTEXT_CLASSES, None)


def _load(
    name: str,
    root: Path,
    options: DatasetOptions,
    devkit: _Devkit,
    classes: tuple[str, ...],
    threshold: float | None,
) -> Dataset:
    """Read one of them; `threshold` is None where the background does not count."""
    split = check_split("val" if options.split is None else options.split)
    fix = (
        f"{devkit.advice}; --root may be the folder that holds VOCdevkit, VOCdevkit, "
        f"or {devkit.folder} itself"
    )
    home = find_home(
        root,
        (f"VOCdevkit/{devkit.folder}", devkit.folder),
        ("JPEGImages", devkit.masks, devkit.lists),
        devkit.layout,
        fix,
    )
    # The years share a layout but neither images nor splits: another year would give a wrong figure.
    year = home.absolute().name
    if re.fullmatch(r"VOC\d{4}", year) and year != devkit.folder:
        raise layout_error(f"{home} is {year}, another year", devkit.layout, fix)
    # The masks have the background at 0. Where that is no class it is ignored, like the border.
    first = 0 if threshold is not None else 1
    return Dataset(
        name=name,
        root=home,
        classes=classes,
        background=threshold is not None,
        background_threshold=threshold,
        class_of_value=value_table(
            {first + index: index for index in range(len(classes))}, (*range(first), _BORDER)
        ),
        samples=tuple(
            Sample(key, home / "JPEGImages" / f"{key}.jpg", home / devkit.masks / f"{key}.png")
            for key in read_split(home / devkit.lists, split)
        ),
    )
