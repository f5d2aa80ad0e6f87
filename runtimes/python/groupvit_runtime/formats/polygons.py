"""Outlines of an object, by the two conventions that programs draw them with.

*Edges* run between pixels: a pixel at column x reaches from x to x + 1, and a polygon has the area of its
object, to the pixel. *Contours* run through the centers of the outermost pixels, which programs that paint
with OpenCV or Pillow count as inside: they get the object back from it, to the pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupvit_runtime.formats.runs import row_runs
from groupvit_runtime.objects import Mask, SegmentedObject
from groupvit_runtime.optional import optional

Points = NDArray[np.int64]


def edge_polygon(item: SegmentedObject) -> Any:
    """A shapely `Polygon`, or a `MultiPolygon` where parts touch at corners; with holes.

    Raises:
        MissingDependencyError: shapely is not installed.
    """
    with optional("shapely", extra="formats", needed_for="polygons with holes"):
        import shapely

    rows, first, last = row_runs(item.crop)
    x, y = item.box[:2]
    runs = shapely.box(x + first, y + rows, x + last, y + rows + 1)
    # Corners of runs that lie on a straight edge go; exterior rings are as RFC 7946 wants them.
    return shapely.orient_polygons(shapely.simplify(shapely.union_all(runs), 0))


def contour(item: SegmentedObject) -> tuple[Points, bool]:
    """One ring of (x, y) through the centers of the outermost pixels, and whether the object has holes.

    A hole is joined to the ring around it by a way there and back through the object, on one row.

    Returns:
        int64 [N, 2], and whether there are holes.

    Raises:
        MissingDependencyError: OpenCV is not installed.
    """
    with optional("opencv-python-headless", extra="formats", needed_for="contours"):
        import cv2

    traced, hierarchy = cv2.findContours(item.crop.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    rings = [ring.reshape(-1, 2).astype(np.int64) for ring in traced]
    # The fourth figure is the ring around it.
    (outer,) = [ring for ring, links in zip(rings, hierarchy[0], strict=True) if links[3] < 0]
    holes = [ring for ring, links in zip(rings, hierarchy[0], strict=True) if links[3] >= 0]
    ring = outer
    # From the left: what a hole's row reaches is in the ring by then.
    for hole in sorted(holes, key=lambda points: int(points[:, 0].min())):
        ring = _joined(ring, hole, item.crop)
    return _without_straight_points(ring) + np.array(item.box[:2]), bool(holes)


def _joined(ring: Points, hole: Points, crop: Mask) -> Points:
    start = int(hole[:, 0].argmin())
    x, y = hole[start]
    outside = np.flatnonzero(~crop[y, :x])
    left = int(outside[-1]) + 1 if outside.size else 0
    at = int(np.flatnonzero((ring == (left, y)).all(axis=1))[0])
    around = np.concatenate([hole[start:], hole[: start + 1]])
    return np.concatenate([ring[: at + 1], around, ring[at:]])


def _without_straight_points(ring: Points) -> Points:
    """Without the points between two others on a line in the same direction; at least one is left."""
    ring = ring[(ring != np.roll(ring, 1, axis=0)).any(axis=1)] if len(ring) > 1 else ring
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    turns = before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]
    turns |= (before * after).sum(axis=1) < 0
    return ring[turns] if turns.any() else ring
