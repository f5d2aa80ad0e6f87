"""Masks as lengths of runs: of COCO by columns of the whole image, of CVAT by rows of the box."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.objects import Mask, SegmentedObject
from groupvit_runtime.optional import optional

Indices = NDArray[np.int64]


class CocoRle(TypedDict):
    """What COCO calls a compressed run-length encoding; `counts` as JSON has it."""

    size: list[int]
    counts: str


def coco_rle(item: SegmentedObject) -> CocoRle:
    """What `pycocotools.mask.encode` makes of the whole mask, without the whole mask.

    Raises:
        MissingDependencyError: pycocotools is not installed.
    """
    with optional("pycocotools", extra="formats", needed_for="COCO"):
        from pycocotools import mask

    height, width = item.image_size
    x, y = item.box[:2]
    columns, first, last = row_runs(item.crop.T)
    start = (x + columns) * height + y + first
    stop = (x + columns) * height + y + last
    # A run that ends with its column goes on where the next column begins with one.
    joined = np.flatnonzero(start[1:] == stop[:-1])
    start, stop = np.delete(start, joined + 1), np.delete(stop, joined)
    edges = np.stack([start, stop], axis=1).reshape(-1)
    counts = np.diff(edges, prepend=0, append=height * width).tolist()
    if counts[-1] == 0:
        counts.pop()
    made = mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
    return {"size": [height, width], "counts": made["counts"].decode("ascii")}


def cvat_runs(item: SegmentedObject) -> list[int]:
    """Lengths of runs inside the box, row by row; the first one is of what is not the object."""
    flat = np.concatenate([[False], item.crop.reshape(-1)])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    lengths: list[int] = np.diff(edges, prepend=0, append=item.crop.size).tolist()
    return lengths


def row_runs(crop: Mask) -> tuple[Indices, Indices, Indices]:
    """Row, first column and the column after the last one of every run of pixels, from above to below."""
    edges = np.diff(np.pad(crop.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    rows, first = np.nonzero(edges == 1)
    return rows, first, np.nonzero(edges == -1)[1]
