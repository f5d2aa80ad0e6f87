"""`groupvit bulk` on Ray with one actor, beside a plain loop with as many threads over the same images.

Usage: python -m benchmarks.bulk [BUNDLE] [--rounds N] [--threads N] [--images N] [--batch-sizes 4,16,64]
Without a bundle the published size is exported for OpenVINO in float32, which needs the extra `export`. Sides
take turns: the loop writes a label map a file; a bulk run of each batch size starts Ray anew, and its rate is
that from when its first part was written to when its last was. What comes before the first is said apart.
Writes benchmarks/results/bulk.json.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image
from pyarrow.parquet import read_metadata

from benchmarks.record import circumstances, write_record
from benchmarks.timing import rounded_interval
from groupvit_export.benchmark.machine import load_average
from groupvit_export.bulk.options import Resources, SegmentOptions, Source
from groupvit_export.bulk.run import segment_in_bulk
from groupvit_export.data.bundled import DEMO_SAMPLE
from groupvit_export.metrics.interleaved import interleaved
from groupvit_runtime import Segmenter, Vocabulary

SIZE: Final = (480, 640)
LOOP: Final = "loop"
_LABELS: Final = ("bird", "boat", "person", "background")


@dataclass(frozen=True)
class Taken:
    """One run of a side.

    Attributes:
        milliseconds: an image.
        startup: seconds before the first image, or what stands for them.
    """

    milliseconds: float
    startup: float


def loop(bundle: Path, images: Sequence[Path], vocabulary: Vocabulary, threads: int, output: Path) -> Taken:
    """What one writes without this toolkit's commands."""
    output.mkdir()
    begin = time.perf_counter()
    segmenter = Segmenter.load(bundle, threads=threads)
    start = time.perf_counter()
    for image in images:
        segmenter(image, vocabulary).save_labels(output / f"{image.stem}.png")
    end = time.perf_counter()
    shutil.rmtree(output)
    return Taken(1000 * (end - start) / len(images), start - begin)


def bulk(
    bundle: Path, images: Path, vocabulary: Vocabulary, options: SegmentOptions, rows: int, output: Path
) -> Taken:
    """The same by Ray, with as many images a part."""
    # By the clock of the files: when the actor was done with a part. Ray tells of it later, of the last soon.
    begin = time.time()
    count = segment_in_bulk(
        Source(str(images), "images"),
        str(output),
        options,
        vocabulary,
        Resources(actors=1, cpus=options.threads or 1, rows=rows),
    )
    parts = sorted(
        (path.stat().st_mtime, read_metadata(path).num_rows) for path in output.glob("part-*.parquet")
    )
    if count.failed or len(parts) < 3:
        raise RuntimeError(f"{count.failed} images failed, {len(parts)} parts: give more images a part")
    shutil.rmtree(output)
    (first, some), (last, _) = parts[0], parts[-1]
    an_image = (last - first) / (count.images - some)
    return Taken(1000 * an_image, first - begin - an_image * some)


def rows_of(taken: dict[str, list[Taken]]) -> dict[str, dict[str, Any]]:
    """By side: images a second, seconds of startup, and the time of an image over that of the loop."""
    times = {name: [one.milliseconds for one in ones] for name, ones in taken.items()}
    return {
        name: {
            "images_per_s": round(1000 / float(np.median(values)), 2),
            "startup_s": round(float(np.median([one.startup for one in taken[name]])), 2),
            "time_over_loop": rounded_interval(times[LOOP], values),
        }
        for name, values in times.items()
    }


def export_full_size(folder: Path) -> Path:
    """A bundle of the published size."""
    from benchmarks.checkpoint import write_full_size_checkpoint
    from groupvit_export.pipeline.api import ExportOptions, export_bundle

    checkpoint = str(write_full_size_checkpoint(folder / "checkpoint"))
    options = ExportOptions("openvino", precision="fp32", checkpoint=checkpoint, output=folder / "bundle")
    return export_bundle(options).path


def write_images(folder: Path, count: int) -> list[Path]:
    """The same image by as many names."""
    folder.mkdir()
    first = folder / "00000.jpg"
    # A drawn landscape: a label map of noise would have no areas.
    sample = Image.open(DEMO_SAMPLE).convert("RGB")
    sample.resize(SIZE[::-1], Image.Resampling.BICUBIC).save(first, quality=92)
    return [
        first,
        *(Path(shutil.copy(first, folder / f"{index:05d}.jpg")) for index in range(1, count)),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", nargs="?", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1, help="of the engine")
    parser.add_argument("--images", type=int, default=256, help="of a run")
    parser.add_argument("--batch-sizes", default="4,16,64")
    arguments = parser.parse_args()
    before = load_average()
    sizes = [int(size) for size in arguments.batch_sizes.split(",")]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = arguments.bundle.absolute() if arguments.bundle else export_full_size(folder)
        images = write_images(folder / "images", arguments.images)
        segmenter = Segmenter.load(bundle, threads=arguments.threads)
        vocabulary, engine = segmenter.vocabulary(_LABELS), segmenter.engine_description
        options = SegmentOptions(str(bundle), segmenter.digest, threads=arguments.threads)
        del segmenter
        output = folder / "output"
        sides: dict[str, Callable[[], Taken]] = {
            LOOP: partial(loop, bundle, images, vocabulary, arguments.threads, output),
            **{
                f"bulk, {rows} images a part": partial(
                    bulk, bundle, images[0].parent, vocabulary, options, rows, output
                )
                for rows in sizes
            },
        }
        runs = interleaved(list(sides.values()), lambda done: done < arguments.rounds)
    found = rows_of(dict(zip(sides, runs, strict=True)))
    setting = circumstances(
        before,
        rounds=arguments.rounds,
        threads=arguments.threads,
        images=arguments.images,
        image_px=list(SIZE),
        engine=engine,
    )
    write_record("bulk", {**setting, "sides": found})
    print(json.dumps(found, indent=2))


if __name__ == "__main__":
    main()
