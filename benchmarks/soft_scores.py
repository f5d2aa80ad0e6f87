"""What scores cost beyond the label map: a 640x480 image, 21 classes, the published size, the decode hf.

Sides take turns call by call: the label map alone, with `confidence`, with `score_map` in memory, and labels
with a threshold.

Usage: python -m benchmarks.soft_scores [--rounds N] [--threads N]
Writes benchmarks/results/soft-scores.json.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks.checkpoint import VOC
from benchmarks.peers.agreement import check_telling
from benchmarks.peers.prepare import images_for_statistics, write_image
from benchmarks.peers.synthetic_checkpoint import write_telling_checkpoint
from benchmarks.record import circumstances, write_record
from benchmarks.rounds import read_rounds
from benchmarks.timing import milliseconds, table
from groupvit_export.benchmark.machine import load_average
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_runtime import Segmenter

SIZE: Final = (480, 640)
ALONE: Final = "label map alone"


def sides(segmenter: Segmenter, image: Path) -> dict[str, Callable[[], object]]:
    """What is timed, by name: image file in, words encoded beforehand."""
    words = segmenter.vocabulary(VOC)
    check_telling(segmenter(image, words).labels)
    return {
        ALONE: lambda: segmenter(image, words).labels,
        "and confidence": lambda: segmenter(image, words).confidence,
        "and score_map": lambda: segmenter(image, words).score_map(),
        "with a threshold": lambda: segmenter(image, words, threshold=0.5).labels,
    }


def measure(folder: Path, rounds: int, threads: int | None) -> dict[str, Any]:
    """Export, load and time; a row a side."""
    image = write_image(folder / "image.jpg", SIZE)
    checkpoint = write_telling_checkpoint(folder / "checkpoint", images_for_statistics(image))
    options = ExportOptions(
        "openvino", precision="fp32", checkpoint=str(checkpoint), output=folder / "bundle"
    )
    segmenter = Segmenter.load(export_bundle(options).path, threads=threads)
    times = milliseconds(sides(segmenter, image), rounds)
    return {"runs": segmenter.engine_description, "sides": table(times, [ALONE])}


def main() -> None:
    arguments = read_rounds(__doc__, 60, "of the engine")
    before = load_average()
    with tempfile.TemporaryDirectory() as name:
        found = measure(Path(name), arguments.rounds, arguments.threads)
    setting = {
        "rounds": arguments.rounds,
        "threads": arguments.threads,
        "image_px": {"width": SIZE[1], "height": SIZE[0]},
        "classes": len(VOC),
    }
    write_record("soft-scores", {**circumstances(before, **setting), **found})
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
