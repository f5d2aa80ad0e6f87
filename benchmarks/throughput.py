"""Images a second of the image engine over batches and streams, beside one image after the other.

First every combination runs a few rounds, in turn; then the fastest and one image after the other alone, so
that the one that was chosen is measured anew.

Usage: python -m benchmarks.throughput [--rounds N] [--threads N]
Writes benchmarks/results/throughput.json.
"""

from __future__ import annotations

import itertools
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.checkpoint import write_full_size_checkpoint
from benchmarks.record import circumstances, write_record
from benchmarks.rounds import read_rounds
from benchmarks.timing import milliseconds, rounded_interval
from groupvit_export.benchmark.machine import load_average, this_machine
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_runtime import Segmenter

INPUT: Final = 224
BATCHES: Final = (1, 2, 4, 8)
CHOOSING_ROUNDS: Final = 8

Run = Callable[[NDArray[np.float32]], object]


@dataclass(frozen=True)
class Combination:
    """Images of a call, and calls at once; one stream has all threads."""

    batch: int
    streams: int

    def __str__(self) -> str:
        return f"batch {self.batch}, {self.streams} stream{'s' if self.streams > 1 else ''}"


ALONE: Final = Combination(1, 1)


def combinations(cores: int) -> list[Combination]:
    """All that are tried; streams are the powers of two up to the cores, and the cores."""
    powers = [1 << power for power in range(cores.bit_length())]
    return [Combination(*pair) for pair in itertools.product(BATCHES, sorted({*powers, cores}))]


def images_of(tried: Sequence[Combination]) -> int:
    """So many images a round that every combination makes whole calls of them, as many on each stream."""
    return int(np.lcm.reduce([one.batch * one.streams for one in tried]))


def player(run: Run, combination: Combination, images: int, stack: ExitStack) -> Callable[[], None]:
    """A round: `images` random images through the engine, from as many threads as there are streams."""
    shape = (combination.batch, 3, INPUT, INPUT)
    pixels = np.random.default_rng(0).standard_normal(shape, np.float32)
    calls = images // combination.batch
    if combination.streams == 1:

        def in_a_row() -> None:
            for _ in range(calls):
                run(pixels)

        return in_a_row
    pool = stack.enter_context(ThreadPoolExecutor(combination.streams))

    def at_once() -> None:
        # All are waited for: an exception of one is an exception of the round.
        for done in [pool.submit(run, pixels) for _ in range(calls)]:
            done.result()

    return at_once


def rates(times: Mapping[Combination, Sequence[float]], images: int) -> list[dict[str, Any]]:
    """Images a second by combination, the median of its rounds of `images`, given in milliseconds."""
    return [
        {**asdict(one), "images_per_s": round(1000 * images / float(np.median(values)), 2)}
        for one, values in times.items()
    ]


def fastest(times: Mapping[Combination, Sequence[float]]) -> Combination:
    """The combination with the shortest median, the first on ties."""
    return min(times, key=lambda one: float(np.median(times[one])))


def measure(bundle: Path, rounds: int, threads: int | None) -> dict[str, Any]:
    """Choose and measure.

    Args:
        bundle: for OpenVINO.
        rounds: of the measurement.
        threads: of the engine, over all streams; None for its own choice.
    """
    tried = combinations(threads or this_machine().usable_cores)
    images = images_of(tried)
    with ExitStack() as stack:
        runs: dict[int, Run] = {}
        for streams in {one.streams for one in tried}:
            own = Segmenter.load(bundle, threads=threads, streams=None if streams == 1 else streams)
            runs[streams] = own._image.run
        plays = {one: player(runs[one.streams], one, images, stack) for one in tried}
        named = {str(one): one for one in tried}

        def timed(ones: Sequence[Combination], count: int) -> dict[Combination, list[float]]:
            found = milliseconds({str(one): plays[one] for one in ones}, count)
            return {named[name]: values for name, values in found.items()}

        chosen = timed(tried, min(CHOOSING_ROUNDS, rounds))
        best = fastest(chosen)
        measured = timed([ALONE] if best == ALONE else [ALONE, best], rounds)
    return {
        "images_of_a_round": images,
        "chosen_from": rates(chosen, images),
        "best": asdict(best),
        "measured": rates(measured, images),
        "over_alone": rounded_interval(measured[best], measured[ALONE]),
    }


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
