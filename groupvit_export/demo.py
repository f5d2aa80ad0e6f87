"""The checkpoint that the package ships: coloured shapes, small enough to try everything on."""

from __future__ import annotations

from pathlib import Path
from typing import Final

DEMO_CHECKPOINT: Final = Path(__file__).parent / "data" / "demo"
DEMO_NAME: Final = "demo"

# Its tokenizer knows whole words only, and no full stop.
DEMO_TEMPLATES: Final = ("a photo of {}",)

DEMO_SAMPLE: Final = DEMO_CHECKPOINT / "sample.png"
"""A picture that the checkpoint was not trained on."""

# In the order in which the palette has these very colours, so that the overlay explains itself.
DEMO_LABELS: Final = (
    "a red shape",
    "a blue shape",
    "a yellow shape",
    "a green shape",
    "a purple shape",
    "a orange shape",
    "background",
)
