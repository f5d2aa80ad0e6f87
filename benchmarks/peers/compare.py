"""The sides beside each other: do they compute the same, and how long do they take."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.peers.agreement import (
    LEAST_AGREEMENT,
    Agreement,
    DisagreementError,
    agreement,
    check_agreement,
    check_telling,
)
from benchmarks.peers.host import LOAD_S, SideError, Worker
from benchmarks.peers.material import Material
from benchmarks.peers.sides import BUNDLES, REFERENCE, SIDES, Precision, precision_of
from benchmarks.peers.turns import Turns, load_all, take_turns
from benchmarks.timing import table

Start = Callable[[str], Worker]

SPINNING_LIMIT: Final = 5.0
"""Percent of a core that a side may take while others have their turn."""


def compare(
    names: Sequence[str],
    reasons: Mapping[str, str],
    start: Start,
    material: Material,
    turns: Turns,
    log: Path,
) -> dict[str, Any]:
    """Load, compare, time.

    Args:
        names: of the sides that run, `REFERENCE` among them.
        reasons: why the others do not.
        start: makes the process of a side.
        material: images.
        turns: how often.
        log: a folder for label maps.

    Raises:
        DisagreementError: the reference failed, or a side that computes in float32 computes something else.
    """
    failed = dict(reasons)
    with ExitStack() as stack:
        workers = {name: stack.enter_context(start(name)) for name in names}
        loaded = load_all(workers, failed, LOAD_S)
        agreements, labels = _agreements(
            {name: workers[name] for name in names if name in loaded}, loaded, material, failed, log
        )
        ready = {name: worker for name, worker in workers.items() if name in agreements}
        images = take_turns(ready, "image", turns)
        failed |= images.failed
        engines = take_turns(
            {
                name: worker
                for name, worker in ready.items()
                if name in images.times and "engine" in loaded[name]["calls"]
            },
            "engine",
            turns,
        )
        failed |= engines.failed
    spinning = {name: max(images.spinning[name], engines.spinning.get(name, 0.0)) for name in images.times}
    return {
        "labels_in_the_map": labels,
        "sides": {
            name: _described(name, loaded.get(name), agreements.get(name), failed.get(name)) for name in SIDES
        },
        "image": table(images.times, BUNDLES),
        "engine": table(engines.times, BUNDLES),
        "spinning_percent": spinning,
        "cautions": [
            f"{name} took {percent} % of a core while others were timed"
            for name, percent in spinning.items()
            if percent > SPINNING_LIMIT
        ],
    }


def precision(name: str, runs: str) -> Precision:
    """What a side computes in; of a default export, what it says itself."""
    return SIDES[name].precision or precision_of(runs)


def _agreements(
    workers: Mapping[str, Worker],
    loaded: Mapping[str, Mapping[str, Any]],
    material: Material,
    failed: dict[str, str],
    log: Path,
) -> tuple[dict[str, Agreement], int]:
    maps: dict[str, dict[str, Any]] = {}
    for name, worker in workers.items():
        into = log / f"{name}.npz"
        try:
            worker.ask("label", images=[str(image) for image in material.judged], into=str(into))
        except SideError as error:
            failed[name] = str(error)
            continue
        with np.load(into) as found:
            maps[name] = dict(found)
    if REFERENCE not in maps:
        raise DisagreementError(f"there is nothing to compare with: {REFERENCE}: {failed[REFERENCE]}")
    expected = maps[REFERENCE].pop("labels")
    maps[REFERENCE] = {"labels": expected, **maps[REFERENCE]}
    outputs = {key: value for key, value in maps[REFERENCE].items() if key != "labels"}
    agreements = {}
    for name, found in maps.items():
        labels = found.pop("labels")
        agreements[name] = agreement(labels, expected, found or None, outputs)
    exact = [name for name in agreements if precision(name, loaded[name]["runs"]) == "float32"]
    check_agreement(agreements, exact, LEAST_AGREEMENT)
    return agreements, check_telling(expected[0])


def _described(
    name: str, loaded: Mapping[str, Any] | None, found: Agreement | None, failed: str | None
) -> dict[str, Any]:
    info = SIDES[name]
    row: dict[str, Any] = {"title": info.title, "precision": info.precision, "engine": info.engine}
    if loaded is not None:
        row |= {"runs": loaded["runs"], "setup_s": round(loaded["setup_s"], 2)}
        row["precision"] = precision(name, loaded["runs"])
    if found is not None:
        row["agreement"] = asdict(found)
    return row if failed is None else row | {"not_run": failed}
