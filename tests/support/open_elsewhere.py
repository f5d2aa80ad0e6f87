"""Opens files of other programs with those programs' own libraries, in an environment that has them.

    python open_elsewhere.py FOLDER

FOLDER has `a.png`, `a.json` (labelme), `cvat/annotations.xml` beside the image, and `detections.json` (fields
of FiftyOne's detections). The masks that each program found go into `PROGRAM.npz`, with their names.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
from PIL import Image

Found = list[tuple[str, Any]]


def labelme(folder: Path, size: tuple[int, int]) -> Found:
    from labelme import LabelFile
    from labelme.utils import shape_to_mask

    found = []
    for one in LabelFile(str(folder / "a.json")).shapes:
        if one["shape_type"] == "mask":
            (left, top), (right, bottom) = np.array(one["points"], int)
            mask = np.zeros(size, bool)
            mask[top : bottom + 1, left : right + 1] = one["mask"]
        else:
            mask = shape_to_mask(size, one["points"], shape_type=one["shape_type"])
        found.append((one["label"], mask))
    return found


def datumaro(folder: Path, size: tuple[int, int]) -> Found:
    from datumaro import AnnotationType, Dataset

    dataset = Dataset.import_from(str(folder / "cvat"), "cvat")
    names = dataset.categories()[AnnotationType.label]
    (item,) = dataset
    return [(names[one.label].name, one.image.astype(bool)) for one in item.annotations]


def cvat_sdk(folder: Path, size: tuple[int, int]) -> Found:
    from cvat_sdk.masks import decode_mask

    found = []
    for one in ElementTree.parse(folder / "cvat" / "annotations.xml").iter("mask"):
        left, top, width, height = (int(one.get(key, "")) for key in ("left", "top", "width", "height"))
        # CVAT's own reader appends the box to the runs: cvat/apps/dataset_manager/formats/cvat.py.
        runs = [int(length) for length in one.get("rle", "").split(",")]
        encoded = [*runs, left, top, left + width - 1, top + height - 1]
        mask = decode_mask(encoded, image_width=size[1], image_height=size[0])
        found.append((one.get("label", ""), mask))
    return found


def fiftyone(folder: Path, size: tuple[int, int]) -> Found:
    from fiftyone import Detection

    found = []
    for one in json.loads((folder / "detections.json").read_text()):
        detection = Detection(**{**one, "mask": np.array(one["mask"], bool)})
        again = Detection.from_dict(detection.to_dict())
        segmentation = again.to_segmentation(frame_size=size[::-1])
        found.append((again.label, segmentation.mask > 0))
    return found


def main() -> None:
    folder = Path(sys.argv[1])
    width, height = Image.open(folder / "a.png").size
    for program in (labelme, datumaro, cvat_sdk, fiftyone):
        found = program(folder, (height, width))
        np.savez(
            folder / f"{program.__name__}.npz",
            names=np.array([name for name, _ in found]),
            masks=np.stack([mask for _, mask in found]),
        )


if __name__ == "__main__":
    main()
