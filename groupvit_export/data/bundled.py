"""The checkpoint that the package ships: drawn landscapes, small enough to try everything on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

DEMO_CHECKPOINT: Final = Path(__file__).parent / "demo"
DEMO_NAME: Final = "demo"

DEMO_SOURCE: Final = f"{DEMO_NAME} (shipped with groupvit-export)"
"""What a manifest says of it: where the package is installed tells a bundle's reader nothing."""

DEMO_SAMPLE: Final = DEMO_CHECKPOINT / "sample.png"
"""An image that the checkpoint was not trained on."""

DEMO_SCENES: Final = Path(__file__).parent / "scenes"
"""Further ones, with masks: a data set of the layout `folder`."""

DEMO_LABELS: Final = (
    "red car",
    "water",
    "yellow boat",
    "grass",
    "purple house",
    "mountain",
    "sky",
    "blue balloon",
    "tree",
)
"""What can be seen in the sample, and a red car, which cannot.

Training named neither a purple house nor a yellow boat."""
