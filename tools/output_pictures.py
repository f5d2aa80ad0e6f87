"""The pictures of docs/outputs.md: what a result of the demo can be shown as.

    python -m tools.output_pictures BUNDLE

Writes docs/outputs/*.jpg, from the demo's sample and a bundle of the demo.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from PIL import Image

from groupvit_export.data.bundled import DEMO_LABELS, DEMO_SAMPLE
from groupvit_runtime import Segmenter

FOLDER: Final = Path(__file__).resolve().parent.parent / "docs" / "outputs"
SCORED: Final = "yellow boat"
NEGATIVES: Final = ("grass", "tree")
THRESHOLD: Final = 0.6
_WIDTH: Final = 480


def pictures(segmenter: Segmenter) -> dict[str, Image.Image]:
    """By the name of their file."""
    labels = [name for name in DEMO_LABELS if name not in NEGATIVES]
    all_named = segmenter(DEMO_SAMPLE, list(DEMO_LABELS))
    abstaining = segmenter(DEMO_SAMPLE, labels, negatives=NEGATIVES, threshold=THRESHOLD)
    return {
        "overlay": all_named.overlay(),
        "heatmap": all_named.heatmap_overlay(SCORED),
        "confidence": all_named.confidence_overlay(),
        "unlabeled": abstaining.overlay(),
        "groups-1": all_named.groups_overlay(1),
        "groups-2": all_named.groups_overlay(2),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", type=Path)
    segmenter = Segmenter.load(parser.parse_args().bundle)
    FOLDER.mkdir(exist_ok=True)
    for name, image in pictures(segmenter).items():
        image.thumbnail((_WIDTH, 4 * _WIDTH), Image.Resampling.LANCZOS)
        image.save(FOLDER / f"{name}.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main()
