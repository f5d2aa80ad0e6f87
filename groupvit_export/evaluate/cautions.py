"""What a reader of an evaluation should know before the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from groupvit_export.data.dataset import IGNORE, Dataset
from groupvit_export.data.orientation import turned_line
from groupvit_export.evaluate.tally import Tally
from groupvit_export.plural import counted

_NAMED: Final = 8


def cautions(dataset: Dataset, tally: Tally) -> tuple[str, ...]:
    """A line for each, without an end; nothing of what was not measured."""
    return (*_absent(dataset, tally), *_turned(dataset, tally))


def _absent(dataset: Dataset, tally: Tally) -> list[str]:
    truth = tally.scores().truth_pixels
    absent = [label for label, pixels in enumerate(truth) if not pixels]
    if not tally.measured or not absent:
        return []
    have = "has" if len(absent) == 1 else "have"
    means = "such a class has IoU 0 where it is predicted, and is left out of the mean where it is not"
    which = f"{len(absent)} of {len(truth)} classes"
    names = _some([dataset.classes[label] for label in absent])
    line = f"{names} {have} no pixel in the masks of {counted(tally.measured, 'image')} ({which}): {means}"
    return ["; ".join([line, *_meant_otherwise(dataset, tally, absent)])]


def _meant_otherwise(dataset: Dataset, tally: Tally, absent: Sequence[int]) -> list[str]:
    """What makes a class disappear when mask values are taken for what they are not."""
    if not dataset.adjustable:
        return []
    hints, ignored = [], np.flatnonzero(dataset.class_of_value == IGNORE).tolist()
    if tally.ignored:
        values = _some([str(value) for value in ignored])
        hints.append(
            f"{counted(tally.ignored, 'pixel')} of mask value {values} count nowhere: if such a value means "
            "a class, write the class's number into the masks"
        )
    if len(dataset.classes) - 1 in absent and 0 not in ignored:
        hints.append("if 0 is void in the masks and classes count from 1, add --reduce-zero-label")
    return hints


def _turned(dataset: Dataset, tally: Tally) -> list[str]:
    if not tally.turned or dataset.raw_masks:
        return []
    fix = "if they lie as the image is stored, add --raw-masks"
    return [f"{turned_line(tally.turned, tally.measured)}; {fix}"]


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
