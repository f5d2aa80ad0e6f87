"""What to verify, against what, and on what."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class VerifyOptions:
    """What to verify a bundle against, and on what.

    Attributes:
        images: a folder of images, or of a data set with masks; None for the scenes that the package ships.
        against: folder, hub id or `.pth`; None for the checkpoint that the provenance names.
        config: a config.json to use instead of the checkpoint's.
        targets: further targets, built from the checkpoint on the spot, as columns beside the bundle's.
        labels: class names for the label maps; None for words that the tokenizer knows.
        limit: at most so many images, of the folder or of the package, spread evenly over their names.
        threads: of the engines; None for their own choice.
        device: "cpu" or "cuda"; None for the target's usual one.
        calibration: for `targets` of an int8 bundle, where the images lie that it was calibrated on; None for
            where the provenance says.
    """

    images: Path | None = None
    against: str | None = None
    config: Path | None = None
    targets: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    limit: int = 100
    threads: int | None = None
    device: str | None = None
    calibration: Path | None = None
