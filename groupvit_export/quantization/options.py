"""What can be asked of int8; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from groupvit_export.data.images import IMAGES
from groupvit_export.metrics.budget import LabelBudget

Feed = Callable[[NDArray[np.float32]], Mapping[str, NDArray[np.generic]]]
"""pixel_values float32 [B, 3, H, W] to what an image graph takes, by name of its inputs."""


@dataclass(frozen=True)
class QuantizationOptions:
    """How int8 is made.

    Attributes:
        calibration: a folder of images, with masks or without; None for the scenes of the package.
        budget: what label maps may lose.
        limit: at most so many images, spread evenly: half of them give the ranges, the others judge.
        saturation_safe: whether sums of products are exact on every processor, with weights of 7 bits and
            products of two activations in float32. Without, for processors with VNNI or AMX, both are of 8
            bits; targets whose sums have 32 bits do so anyway.
    """

    calibration: Path | None = None
    budget: LabelBudget = field(default_factory=LabelBudget)
    limit: int = IMAGES
    saturation_safe: bool = True
