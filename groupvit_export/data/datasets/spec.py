"""What every data set is described by, and what can be asked of one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from groupvit_export.data.dataset import Dataset


@dataclass(frozen=True)
class DatasetOptions:
    """What a caller may choose. None leaves the choice to the data set.

    Attributes:
        vocabulary: `shapes`: which vocabulary of scenes.json.
        classes: `folder`: file of class names that replaces classes.txt.
        ignore_index: `folder`: mask values that count nowhere, 0 to 65535.
        reduce_zero_label: `folder`: 0 is void in the masks, and the first class is 1.
        split: `voc2012`, `context59`, `context60`: name of the split file without its suffix;
            `coco-object`: name of the folder of images.
    """

    vocabulary: str | None = None
    classes: Path | None = None
    ignore_index: tuple[int, ...] | None = None
    reduce_zero_label: bool | None = None
    split: str | None = None


@dataclass(frozen=True)
class DatasetSpec:
    """A kind of data set.

    Attributes:
        summary: one line for a help text.
        layout: the files it consists of, as a small tree.
        load: reads it: (root, options) to a `Dataset`. The caller has checked that the root is a folder
            and that no foreign option is set.
        options: fields of `DatasetOptions` that mean something to it.
    """

    summary: str
    layout: str
    load: Callable[[Path, DatasetOptions], Dataset]
    options: tuple[str, ...]
