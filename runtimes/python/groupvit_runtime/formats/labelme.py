"""labelme: a polygon an object; a mask where it has holes, which labelme's polygons have not."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from typing import Any, Final

from PIL import Image

from groupvit_runtime.formats.polygons import contour
from groupvit_runtime.objects import SegmentedObject

_VERSION: Final = "5.4.1"
"""The first labelme that reads such masks without a change of its settings."""


def labelme_document(
    objects: Sequence[SegmentedObject], size: tuple[int, int], *, image_path: str
) -> dict[str, Any]:
    """What labelme opens beside the image, or by `labelme --output` from a folder of its own.

    Args:
        objects: of the image.
        size: (height, width) of the image.
        image_path: from the folder of the document to the image.
    """
    return {
        "version": _VERSION,
        "flags": {},
        "shapes": [_shape(item) for item in objects],
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": size[0],
        "imageWidth": size[1],
    }


def _shape(item: SegmentedObject) -> dict[str, Any]:
    ring, holes = contour(item)
    left, top, right, bottom = item.corners
    shape: dict[str, Any] = {
        "label": item.name,
        "points": [[left, top], [right - 1, bottom - 1]] if holes else _three_points(ring.tolist()),
        "group_id": None,
        "description": "" if item.score is None else f"score {item.score:.3f}",
        "shape_type": "mask" if holes else "polygon",
        "flags": {},
    }
    if holes:
        file = io.BytesIO()
        Image.fromarray(item.crop).save(file, format="PNG")
        shape["mask"] = base64.b64encode(file.getvalue()).decode("ascii")
    return shape


def _three_points(ring: list[list[int]]) -> list[list[int]]:
    """A polygon has three points, also where it is a pixel or a line."""
    return (ring * 3)[:3] if len(ring) < 3 else ring
