"""Images a second of the image engine over batches and streams, beside one image after the other.

First every combination runs a few rounds, in turn; then the fastest and one image after the other alone, so
that the one that was chosen is measured anew.

Usage: python -m benchmarks.throughput [--rounds N] [--threads N]
Writes benchmarks/results/throughput.json.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.checkpoint import write_full_size_checkpoint
from benchmarks.record import circumstances, write_record
from benchmarks.rounds import read_rounds
from groupvit_export.benchmark.machine import load_average, this_machine
from groupvit_export.benchmark.suggest import BATCHES, Combination, combinations, images_of, suggest
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_runtime import Segmenter

INPUT: Final = 224
Run = Callable[[NDArray[np.float32]], object]

_PIXELS: Final = np.random.default_rng(0).standard_normal((max(BATCHES), 3, INPUT, INPUT), np.float32)


def measure(bundle: Path, rounds: int, threads: int | None) -> dict[str, Any]:
    """Choose and measure.

    Args:
        bundle: for OpenVINO.
        rounds: of the measurement.
        threads: of the engine, over all streams; None for its own choice.
    """
    tried = combinations(threads or this_machine().usable_cores)
    calls = {}
    for streams in {one.streams for one in tried}:
        own = Segmenter.load(bundle, threads=threads, streams=None if streams == 1 else streams)
        calls[streams] = partial(_run, own._image.run)
    found = suggest(calls, tried, rounds)
    return {
        "images_of_a_round": images_of(tried),
        "chosen_from": _rows(found.rates),
        "best": asdict(found.best),
        "measured": _rows(found.measured),
        "over_alone": {name: round(value, 3) for name, value in asdict(found.gain).items()},
    }


def _run(run: Run, batch: int) -> object:
    return run(_PIXELS[:batch])


def _rows(rates: Mapping[Combination, float]) -> list[dict[str, Any]]:
    return [{**asdict(one), "images_per_s": round(rate, 2)} for one, rate in rates.items()]


def main() -> None:
    arguments = read_rounds(__doc__, 40, "of the engine, over all streams")
    before = load_average()
    with tempfile.TemporaryDirectory() as name:
        checkpoint = write_full_size_checkpoint(Path(name) / "checkpoint")
        options = ExportOptions("openvino", checkpoint=str(checkpoint), output=Path(name) / "bundle")
        found = measure(export_bundle(options).path, arguments.rounds, arguments.threads)
    record = {
        **circumstances(before, rounds=arguments.rounds, threads=arguments.threads, input_px=INPUT),
        **found,
    }
    write_record("throughput", record)
    print(json.dumps({key: record[key] for key in ("best", "measured", "over_alone")}, indent=2))


if __name__ == "__main__":
    main()
