"""Images a second of a folder of JPEGs, beside what the image engine alone computes.

Usage: python -m benchmarks.folder [--rounds N] [--threads N]
Writes benchmarks/results/folder.json, by precision: float32, and bf16 where the processor multiplies in it.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.checkpoint import VOC, write_full_size_checkpoint
from benchmarks.peers.load_side import has_bf16
from benchmarks.peers.prepare import write_image
from benchmarks.record import circumstances, write_record
from benchmarks.rounds import read_rounds
from benchmarks.timing import milliseconds, rounded_interval
from groupvit_export.benchmark.machine import load_average
from groupvit_export.cli.segment_journal import Job
from groupvit_export.cli.segment_outputs import Outputs
from groupvit_export.cli.segment_pictures import Picture
from groupvit_export.cli.segment_work import SegmentWork
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_runtime import Segmentation, Segmenter, segment_stream
from groupvit_runtime.label_record import label_record
from groupvit_runtime.read_image import read_image
from groupvit_runtime.stream import in_order

SIZE: Final = (480, 640)
IMAGES: Final = 24
ENGINE: Final = "the image engine alone"
ONE_BY_ONE: Final = "label maps, one image after the other"


def sides(segmenter: Segmenter, many: Segmenter, image: Path) -> dict[str, Callable[[], object]]:
    """What takes turns, each with the same images.

    Args:
        segmenter: as it is by default.
        many: for the most images a second, as `groupvit segment FOLDER` loads it.
        image: of which a folder is full.
    """
    words = segmenter.vocabulary(VOC)
    manifest = segmenter.manifest
    pixels = segmenter._image.whole([read_image(image)], manifest.model.image_size, manifest.preprocessing.hf)
    outputs = Outputs(folder=image.parent, formats=("png",), pictures=(Picture("overlay"),))

    def record(result: Segmentation, path: Path, labels: bytes) -> dict[str, Any]:
        return label_record(result, segmenter, image=path, labels=labels)

    encode = partial(outputs.encode, make_record=record)
    one, work = (
        SegmentWork(partial(loaded, labels=words), encode, max_pixels=None, quiet=True)
        for loaded in (segmenter, many)
    )
    job = Job(image, image, outputs.suffixes)
    return {
        ENGINE: lambda: [segmenter._image.run(pixels) for _ in range(IMAGES)],
        ONE_BY_ONE: lambda: [segmenter(image, words) for _ in range(IMAGES)],
        "label maps, segment_stream": lambda: list(segment_stream(segmenter, [image] * IMAGES, words)),
        "label maps, segment_stream, throughput": lambda: list(segment_stream(many, [image] * IMAGES, words)),
        "files of groupvit segment, one image after the other": lambda: [one(job) for _ in range(IMAGES)],
        "files of groupvit segment": lambda: list(in_order(work, [job] * IMAGES)),
    }


def measure(bundle: Path, precision: str, image: Path, threads: int | None, rounds: int) -> dict[str, Any]:
    """Images a second of each side, over the engine alone, and over label maps of one after the other."""
    segmenter = Segmenter.load(bundle, threads=threads, precision=precision)
    many = Segmenter.load(bundle, threads=threads, precision=precision, performance="throughput")
    times = milliseconds(sides(segmenter, many, image), rounds, warm_up=1)
    return {
        name: {
            "images_per_s": round(1000 * IMAGES / float(np.median(values)), 2),
            "over_engine_alone": rounded_interval(values, times[ENGINE]),
            "over_one_after_the_other": rounded_interval(values, times[ONE_BY_ONE]),
        }
        for name, values in times.items()
    }


def main() -> None:
    arguments = read_rounds(__doc__, 6, "of the engine")
    before = load_average()
    with tempfile.TemporaryDirectory() as name:
        image = write_image(Path(name) / "image.jpg", SIZE)
        checkpoint = str(write_full_size_checkpoint(Path(name) / "checkpoint"))
        *others, fastest = ("fp32", "bf16") if has_bf16() else ("fp32",)
        options = ExportOptions(
            "openvino",
            precision=fastest,
            also=tuple(others),
            checkpoint=checkpoint,
            output=Path(name) / "bundle",
        )
        bundle = export_bundle(options).path
        found = {
            precision: measure(bundle, precision, image, arguments.threads, arguments.rounds)
            for precision in (*others, fastest)
        }
    setting = circumstances(
        before, rounds=arguments.rounds, threads=arguments.threads, images=IMAGES, image_px=list(SIZE)
    )
    write_record("folder", {**setting, "sides": found})
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
