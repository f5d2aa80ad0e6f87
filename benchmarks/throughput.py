"""Images a second of the image engine over batches and streams, beside one image after the other.

First every combination runs a few rounds, in turn; then the fastest and one image after the other alone, so
that the one that was chosen is measured anew. A process for each number of streams. A part of
`python -m benchmarks.peers`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.peers.host import LOAD_S, Worker
from benchmarks.peers.material import INPUT
from benchmarks.peers.sides import Side
from benchmarks.peers.turns import Taken, Turns, load_all, take_turns
from benchmarks.timing import rounded_interval
from groupvit_export.benchmark.machine import this_machine
from groupvit_export.benchmark.suggest import (
    ALONE,
    BATCHES,
    Combination,
    combinations,
    fastest,
    images_of,
    player,
    rates,
)
from groupvit_runtime import Segmenter

CHOOSING: Final = Turns(rounds=4, calls=1)

_PIXELS: Final = np.random.default_rng(0).standard_normal((max(BATCHES), 3, INPUT, INPUT), np.float32)


def stream_side(bundle: str, streams: str, threads: str) -> Side:
    """An engine with so many streams, whose calls are rounds of every batch, by "batch 1" and so on.

    Args:
        bundle: for OpenVINO.
        streams: how many.
        threads: of the engine, over all streams; "0" for its own choice.
    """
    count, own = int(streams), int(threads) or None
    segmenter = Segmenter.load(bundle, threads=own, streams=None if count == 1 else count)
    tried = combinations(own or this_machine().usable_cores)
    images, stack = images_of(tried), ExitStack()

    def call(batch: int) -> object:
        return segmenter._image.run(_PIXELS[:batch])

    calls = {_batch(one): player(call, one, images, stack) for one in tried if one.streams == count}
    return Side(calls, runs=segmenter.engine_description, facts={"images_of_a_round": images})


def measure(bundle: Path, turns: Turns, threads: int | None, log: Path) -> dict[str, Any]:
    """Choose and measure.

    Args:
        bundle: for OpenVINO.
        turns: of the measurement.
        threads: of the engine, over all streams; None for its own choice.
        log: a folder for what the processes print.
    """
    tried = combinations(threads or this_machine().usable_cores)
    with ExitStack() as stack:
        start = partial(_start, bundle, threads or 0, log)
        engines = {streams: stack.enter_context(start(streams)) for streams in {one.streams for one in tried}}
        failed: dict[str, str] = {}
        loaded = load_all({str(streams): worker for streams, worker in engines.items()}, failed, LOAD_S)
        if failed:
            return {"not_run": "; ".join(failed.values())}
        images = loaded["1"]["facts"]["images_of_a_round"]
        take = partial(_timed, engines)
        chosen = take(tried, CHOOSING)
        best = fastest(chosen)
        measured = take([ALONE] if best == ALONE else [ALONE, best], turns)
    return {
        "runs": loaded["1"]["runs"],
        "images_of_a_round": images,
        "chosen_from": _rows(chosen, images),
        "best": asdict(best),
        "measured": _rows(measured, images),
        "over_alone": rounded_interval(measured[best], measured[ALONE]),
    }


def _start(bundle: Path, threads: int, log: Path, streams: int) -> Worker:
    arguments = [str(bundle), str(streams), str(threads)]
    return Worker("benchmarks.throughput:stream_side", arguments, log / f"streams-{streams}.txt")


def _timed(
    engines: Mapping[int, Worker], ones: Sequence[Combination], turns: Turns
) -> dict[Combination, list[float]]:
    workers = {str(one): engines[one.streams] for one in ones}
    taken: Taken = take_turns(workers, {str(one): _batch(one) for one in ones}, turns)
    if taken.failed:
        raise RuntimeError(f"a stream ended: {taken.failed}")
    return {one: [call for turn in taken.times[str(one)] for call in turn] for one in ones}


def _rows(times: Mapping[Combination, Sequence[float]], images: int) -> list[dict[str, Any]]:
    found = rates(times, images)
    return [{**asdict(one), "images_per_s": round(rate, 2)} for one, rate in found.items()]


def _batch(one: Combination) -> str:
    return f"batch {one.batch}"
