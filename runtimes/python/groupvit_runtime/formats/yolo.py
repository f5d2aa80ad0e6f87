"""YOLO's segmentation labels: a line an object, one ring of points relative to the image's size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final

import numpy as np

from groupvit_runtime.formats.polygons import contour
from groupvit_runtime.objects import SegmentedObject

_INSIDE: Final = 0.25
"""How far into its pixel a point lies: readers that round come to the same pixel as those that cut off."""


def yolo_lines(objects: Sequence[SegmentedObject]) -> str:
    """`class x1 y1 x2 y2 ...`, a line an object; holes are joined to the ring around them."""
    return "".join(f"{item.index} {_points(item)}\n" for item in objects)


def yolo_classes(names: Sequence[str]) -> str:
    """The `data.yaml` of labels that lie beside their images; JSON's quotation marks are YAML's."""
    lines = [f"  {index}: {json.dumps(name, ensure_ascii=False)}" for index, name in enumerate(names)]
    return "\n".join(["path: .", "train: .", "val: .", "names:", *lines, ""])


def _points(item: SegmentedObject) -> str:
    ring, _ = contour(item)
    # A line of five numbers would be a box.
    ring = np.resize(ring, (3, 2)) if len(ring) < 3 else ring
    height, width = item.image_size
    relative = (ring + _INSIDE) / (width, height)
    return " ".join(f"{value:.8f}".rstrip("0") for value in relative.reshape(-1).tolist())
