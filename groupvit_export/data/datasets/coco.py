"""COCO-Object: the 80 things of COCO as a segmentation, everything else as background."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groupvit_export.data.dataset import Dataset, Sample
from groupvit_export.data.datasets.class_names import COCO_CLASSES
from groupvit_export.data.datasets.home import check_split, find_home, layout_error
from groupvit_export.data.datasets.spec import DatasetOptions
from groupvit_export.data.datasets.values import value_table
from groupvit_runtime.competition import BACKGROUND

COCO_LAYOUT: Final = """\
coco/
  images/val2017/*.jpg
  annotations/val2017/*_instanceTrainIds.png   (converted), or
  annotations/val2017/*.png                    (COCO-Stuff's own pixel maps)"""

_REMOVED_THING_IDS: Final = frozenset((12, 26, 29, 30, 45, 66, 68, 69, 71, 83, 91))
THING_IDS: Final = tuple(number for number in range(1, 91) if number not in _REMOVED_THING_IDS)
"""COCO's category ids of `COCO_CLASSES`. Ids up to 91 are things; those missing have no annotations."""

_STUFF_IDS: Final = range(92, 183)
_UNLABELED: Final = 255
_CONVERTED_SUFFIX: Final = "_instanceTrainIds"


def load_coco_object(root: Path, options: DatasetOptions) -> Dataset:
    """80 classes and background.

    Two kinds of mask are read. NVlabs' conversion script writes NAME_instanceTrainIds.png: 0 is
    background, 1 to 80 the things in order, and 255, which it does not write, is ignored. Where there is
    not one such file, COCO-Stuff's pixel maps NAME.png are read: category id - 1, with stuff and unlabeled
    (255) counted as background, as the script does it.

    An image or mask without its counterpart is an error of that sample, during the run.

    Raises:
        DatasetError: a folder is missing, or has no masks or no images.
        UsageError: the split is no name.
    """
    split = check_split("val2017" if options.split is None else options.split)
    fix = (
        "unpack val2017.zip and COCO-Stuff's stuffthingmaps_trainval2017.zip; "
        "--root may be the folder that holds coco, or coco itself"
    )
    images, masks = f"images/{split}", f"annotations/{split}"
    home = find_home(root, ("coco",), (images, masks), COCO_LAYOUT, fix)
    image_names = _stems(home / images, ".jpg")
    mask_names = _stems(home / masks, ".png")
    converted = {
        name.removesuffix(_CONVERTED_SUFFIX) for name in mask_names if name.endswith(_CONVERTED_SUFFIX)
    }
    # Other converters write beside the maps as well, NAME_labelTrainIds.png for one.
    with_truth = converted or {name for name in mask_names if not name.endswith("TrainIds")}
    for found, folder, kind in ((image_names, images, "images"), (with_truth, masks, "masks")):
        if not found:
            raise layout_error(f"no {kind} in {home / folder}", COCO_LAYOUT, fix)
    suffix = f"{_CONVERTED_SUFFIX}.png" if converted else ".png"
    return Dataset(
        name="coco-object",
        root=home,
        classes=(BACKGROUND, *COCO_CLASSES),
        background=True,
        background_threshold=0.95,
        class_of_value=_converted_values() if converted else _stuff_values(),
        # Both listings count: an image that was not copied must not quietly make the data set smaller.
        samples=tuple(
            Sample(name, home / images / f"{name}.jpg", home / masks / f"{name}{suffix}")
            for name in sorted(image_names | with_truth)
        ),
    )


def _converted_values() -> NDArray[np.uint16]:
    return value_table({value: value for value in range(len(COCO_CLASSES) + 1)}, (_UNLABELED,))


def _stuff_values() -> NDArray[np.uint16]:
    things = {number - 1: index for index, number in enumerate(THING_IDS, 1)}
    others = dict.fromkeys((*(number - 1 for number in _STUFF_IDS), _UNLABELED), 0)
    return value_table(things | others, ())


def _stems(folder: Path, suffix: str) -> set[str]:
    # Names only: asking the file system about each of 5,000 files would be felt on a network drive.
    return {path.stem for path in folder.iterdir() if path.suffix == suffix and path.name[0] != "."}
