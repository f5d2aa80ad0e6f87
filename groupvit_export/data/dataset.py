"""What an evaluation needs to know of a data set, whatever its layout on disk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

IGNORE: Final = 0xFFFF
"""Truth of a pixel that counts nowhere."""

ILLEGAL: Final = 0xFFFE
"""In `Dataset.class_of_value`: a value that no mask of the data set may have."""

_NO_SUBSETS: Final[Mapping[str, tuple[int, ...]]] = MappingProxyType({})


@dataclass(frozen=True)
class Sample:
    """An image and its ground truth.

    Attributes:
        key: names the sample within its data set, the same on every machine (no absolute path).
        image: the image.
        mask: a one-channel image of the same size, or a palette image whose indices are meant.
    """

    key: str
    image: Path
    mask: Path


@dataclass(frozen=True)
class Dataset:
    """Images with ground truth, and the classes that the truth is in.

    Attributes:
        name: as on the command line.
        root: the folder it was read from.
        classes: K names, in the order of the confusion matrix. Predicted label ``k`` is ``classes[k]``.
        background: whether ``classes[0]`` is the background, which the `paper` decode makes by a
            threshold and never encodes as words.
        background_threshold: of the `paper` decode; None exactly where there is no background.
        class_of_value: uint16 [65536], from a mask's value to a class, `IGNORE` or `ILLEGAL`.
        samples: in the data set's own order.
        raw_masks: whether masks cover the pixels as the image's file stores them, and are turned by its EXIF
            orientation; otherwise they cover the image as it is seen.
        adjustable: whether the caller has options for what mask values mean, and how masks lie, which errors
            then name.
        templates: prompt templates that belong to the data set; None for the bundle's own.
        subsets: named groups of classes whose mean is of interest by itself, by index.
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    background: bool
    background_threshold: float | None
    class_of_value: NDArray[np.uint16]
    samples: tuple[Sample, ...]
    raw_masks: bool = False
    adjustable: bool = False
    templates: tuple[str, ...] | None = None
    subsets: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: _NO_SUBSETS)
