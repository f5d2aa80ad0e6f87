"""Which streams and batch compute the most images a second: all in turn, then the fastest beside one by one.

The fastest of many rounds is fast by chance as well, so what it gains is measured anew.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np

from groupvit_export.benchmark.bench_target import BenchTarget
from groupvit_export.benchmark.bootstrap import Interval, ratio_of_medians
from groupvit_export.benchmark.settings import RunConfig
from groupvit_export.metrics.interleaved import interleaved, timed
from groupvit_export.plural import counted
from groupvit_runtime.engines import ENGINES, EngineOptions
from groupvit_runtime.processors import usable_cores
from groupvit_runtime.read_image import read_image
from groupvit_runtime.segmenter import Image, Segmenter
from groupvit_runtime.vocabulary import Vocabulary

BATCHES: Final = (1, 2, 4, 8)
CHOOSING_ROUNDS: Final = 8
_WARM_UP: Final = 2


@dataclass(frozen=True)
class Combination:
    """Images of a call, and calls at once; one stream has all threads."""

    batch: int
    streams: int

    def __str__(self) -> str:
        return f"batch {self.batch}, {counted(self.streams, 'stream')}"


ALONE: Final = Combination(1, 1)


@dataclass(frozen=True)
class Suggestion:
    """What was found.

    Attributes:
        rates: images a second of every combination that was tried, in the rounds that chose.
        best: the fastest.
        measured: images a second of one by one and of the fastest, measured anew.
        gain: of the fastest over one by one, with its interval.
    """

    rates: Mapping[Combination, float]
    best: Combination
    measured: Mapping[Combination, float]
    gain: Interval


def combinations(cores: int) -> list[Combination]:
    """All that are tried; streams are the powers of two up to the cores, and the cores."""
    powers = [1 << power for power in range(cores.bit_length())]
    return [Combination(*pair) for pair in itertools.product(BATCHES, sorted({*powers, cores}))]


def images_of(tried: Sequence[Combination]) -> int:
    """So many images a round that every combination makes whole calls of them, as many on each stream."""
    return math.lcm(*(one.batch * one.streams for one in tried))


def player(
    call: Callable[[int], object], combination: Combination, images: int, stack: ExitStack
) -> Callable[[], None]:
    """A round: `images` images in calls of a batch each, from as many threads as there are streams.

    Args:
        call: computes so many images.
        combination: batch and streams.
        images: of the round.
        stack: ends the threads.
    """
    calls = images // combination.batch
    if combination.streams == 1:

        def in_a_row() -> None:
            for _ in range(calls):
                call(combination.batch)

        return in_a_row
    pool = stack.enter_context(ThreadPoolExecutor(combination.streams))

    def at_once() -> None:
        # All are waited for: an exception of one is an exception of the round.
        for done in [pool.submit(call, combination.batch) for _ in range(calls)]:
            done.result()

    return at_once


def rates(times: Mapping[Combination, Sequence[float]], images: int) -> dict[Combination, float]:
    """Images a second, the median of rounds of `images`, given in milliseconds."""
    return {one: 1000 * images / float(np.median(values)) for one, values in times.items()}


def fastest(times: Mapping[Combination, Sequence[float]]) -> Combination:
    """The combination with the shortest median, the first on ties."""
    return min(times, key=lambda one: float(np.median(times[one])))


def suggest(
    calls: Mapping[int, Callable[[int], object]],
    tried: Sequence[Combination],
    rounds: int,
    progress: Callable[[float], None] = lambda share: None,
    clock: Callable[[], float] = time.perf_counter,
) -> Suggestion:
    """Choose and measure.

    Args:
        calls: by the number of streams, what computes so many images.
        tried: the combinations, `ALONE` among them.
        rounds: of the measurement; choosing takes `CHOOSING_ROUNDS` at most.
        progress: is given the share that is done.
        clock: seconds, never going back.
    """
    images = images_of(tried)
    choosing = min(CHOOSING_ROUNDS, rounds)
    with ExitStack() as stack:
        plays = {one: timed(player(calls[one.streams], one, images, stack), clock) for one in tried}

        def in_turn(ones: Sequence[Combination], count: int, base: float) -> dict[Combination, list[float]]:
            for _ in range(_WARM_UP):
                for one in ones:
                    plays[one]()

            def goes_on(done: int) -> bool:
                progress(base + done / count / 2)
                return done < count

            return dict(zip(ones, interleaved([plays[one] for one in ones], goes_on), strict=True))

        chosen = in_turn(tried, choosing, 0)
        best = fastest(chosen)
        measured = in_turn([ALONE] if best == ALONE else [ALONE, best], rounds, 0.5)
    first, second = (np.asarray(measured[one], np.float64)[:, None] for one in (best, ALONE))
    gain = ratio_of_medians(first, second, paired=True)
    return Suggestion(rates(chosen, images), best, rates(measured, images), gain)


def suggest_for(
    subject: BenchTarget,
    fixed: RunConfig,
    threads: int | None,
    image: Path,
    rounds: int,
    progress: Callable[[float], None],
) -> Suggestion:
    """The same for a bundle, from an image's pixels to its label map.

    Args:
        subject: the bundle.
        fixed: device and decode.
        threads: of the engine, over all streams; None for its own choice.
        image: that is segmented again and again; it is decoded once.
        rounds: of the measurement.
        progress: is given the share that is done.

    Raises:
        GroupViTError: the bundle, image or labels cannot be used.
    """
    tried = combinations(threads or usable_cores())
    limit = subject.image_engine.max_batch
    tried = [one for one in tried if limit is None or one.batch <= limit]
    pixels = read_image(image)
    calls: dict[int, Callable[[int], object]] = {}
    for streams in sorted({one.streams for one in tried}):
        divided = streams > 1 and ENGINES[subject.image_engine.target].streams
        options = EngineOptions(fixed.device, threads, streams=streams if divided else None)
        segmenter = Segmenter(
            subject.bundle, options, subject.decode(fixed), None, precision=subject.facts.precision
        )
        vocabulary = segmenter.vocabulary(subject.labels, templates=subject.templates)
        calls[streams] = partial(_segment, segmenter, pixels, vocabulary)
    return suggest(calls, tried, rounds, progress)


def _segment(segmenter: Segmenter, pixels: Image, vocabulary: Vocabulary, count: int) -> object:
    images: list[Image] = [pixels] * count
    return segmenter(images, vocabulary)
