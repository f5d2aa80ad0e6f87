"""Tables from mask values to classes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from groupvit_export.data.dataset import IGNORE, ILLEGAL

MASK_VALUES = 1 << 16
"""How many values a mask of 16 bits can have."""


def value_table(classes: Mapping[int, int], ignored: Iterable[int]) -> NDArray[np.uint16]:
    """The table of `Dataset.class_of_value`.

    Args:
        classes: mask value to class index; several values may have one class.
        ignored: mask values that count nowhere. Any other value is `ILLEGAL`.

    Returns:
        uint16 [65536], read-only.
    """
    table = np.full(MASK_VALUES, ILLEGAL, np.uint16)
    table[list(classes)] = list(classes.values())
    table[list(ignored)] = IGNORE
    table.flags.writeable = False
    return table
