"""`supervision.Detections`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from groupvit_runtime.objects import SegmentedObject
from groupvit_runtime.optional import optional


def supervision_detections(objects: Sequence[SegmentedObject]) -> Any:
    """Boxes, masks of the image's size, classes and their names, and scores.

    Raises:
        MissingDependencyError: supervision is not installed.
    """
    with optional("supervision", extra=None, needed_for="supervision.Detections"):
        from supervision import Detections

    if not objects:
        return Detections.empty()
    scores = [item.score for item in objects if item.score is not None]
    return Detections(
        xyxy=np.array([item.corners for item in objects], np.float32),
        mask=np.stack([item.mask for item in objects]),
        confidence=np.array(scores, np.float32) if len(scores) == len(objects) else None,
        class_id=np.array([item.index for item in objects], np.int64),
        data={"class_name": np.array([item.name for item in objects])},
    )
