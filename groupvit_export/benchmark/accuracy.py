"""How good a bundle is, beside how fast."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Accuracy:
    """mIoU, 0 to 1, of a bundle on a data set; `partial` where images of it are missing in the number."""

    dataset: str
    miou: float
    images: int
    partial: bool
