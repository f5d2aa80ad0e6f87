"""`fiftyone.Detections`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from groupvit_runtime.objects import SegmentedObject
from groupvit_runtime.optional import optional

_INSIDE: Final = 1 / 1024
"""How far inside its pixel a corner lies: FiftyOne cuts off, and would miss a pixel by rounding."""


def fiftyone_detections(objects: Sequence[SegmentedObject]) -> Any:
    """An instance an object: its label, relative box, mask inside the box, and score as confidence.

    Raises:
        MissingDependencyError: FiftyOne is not installed.
    """
    with optional("fiftyone", extra=None, needed_for="fiftyone.Detections"):
        from fiftyone import Detection, Detections

    return Detections(
        detections=[
            Detection(
                label=item.name,
                bounding_box=_relative(item),
                mask=item.crop,
                confidence=item.score,
            )
            for item in objects
        ]
    )


def _relative(item: SegmentedObject) -> list[float]:
    height, width = item.image_size
    left, top, right, bottom = (
        min((corner + _INSIDE) / length, 1.0)
        for corner, length in zip(item.corners, (width, height, width, height), strict=True)
    )
    return [left, top, right - left, bottom - top]
