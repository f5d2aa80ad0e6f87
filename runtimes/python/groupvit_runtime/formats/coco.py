"""COCO: objects with masks as run-length encodings, which pycocotools reads back to the pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from groupvit_runtime.formats.runs import coco_rle
from groupvit_runtime.objects import SegmentedObject


def coco_document(
    objects: Sequence[SegmentedObject],
    names: Sequence[str],
    size: tuple[int, int],
    *,
    file_name: str,
    image_id: int = 1,
) -> dict[str, Any]:
    """An image's COCO document. A category's id is its class's index and 1: 0 is nothing to many readers.

    Args:
        objects: of the image.
        names: of all classes.
        size: (height, width) of the image.
        file_name: of the image.
        image_id: of the image.

    Returns:
        What `json.dumps` writes and `pycocotools.coco.COCO` reads.
    """
    return {
        "images": [{"id": image_id, "file_name": file_name, "width": size[1], "height": size[0]}],
        "annotations": [
            {
                "id": number,
                "image_id": image_id,
                "category_id": item.index + 1,
                "segmentation": coco_rle(item),
                "area": item.area,
                "bbox": list(item.box),
                "iscrowd": 0,
                **({} if item.score is None else {"score": round(item.score, 6)}),
            }
            for number, item in enumerate(objects, 1)
        ],
        "categories": [{"id": index, "name": name} for index, name in enumerate(names, 1)],
    }
