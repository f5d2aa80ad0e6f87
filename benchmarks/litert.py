"""Time bundles of one checkpoint for several targets: a process a bundle, taking turns.

Usage: python -m benchmarks.litert BUNDLE... [--rounds N] [--calls N] [--threads N] [--busy]

Everything is exported before; an environment that runs all of it is enough: LiteRT's converter is not needed.
Measured are the image engine on one image and the text engine on one sentence of full length. Writes
benchmarks/results/litert.json; ratios are against the first bundle.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.peers.host import LOAD_S, Worker
from benchmarks.peers.quiet import complaints_here, look
from benchmarks.peers.sides import Side
from benchmarks.peers.turns import Turns, load_all, take_turns
from benchmarks.record import circumstances, write_record
from benchmarks.timing import table
from groupvit_runtime.contract import IMAGE_INPUT, TEXT_INPUT
from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.manifest import read_manifest

CALLS: Final = ("image", "text")


def bundle_side(bundle: str, threads: str) -> Side:
    """Both engines of a bundle, on values that were drawn.

    Args:
        bundle: its folder.
        threads: of each engine; "0" for its own choice.
    """
    root, options = Path(bundle), EngineOptions(threads=int(threads) or None)
    manifest = read_manifest(root)
    start = time.perf_counter()
    image, text = (load_engine(manifest.engine(role), root, options) for role in CALLS)
    setup_s = time.perf_counter() - start
    height, width = manifest.model.image_size
    random = np.random.default_rng(0)
    pixels = random.standard_normal((1, 3, height, width), np.float32)
    ids = np.full((1, manifest.model.text_max_length), manifest.model.text_pad_id, np.int64)
    files = {role: round(sum(file.bytes for file in manifest.engine(role).files) / 1e6, 1) for role in CALLS}
    calls = {
        "image": lambda: image.run({IMAGE_INPUT: pixels}),
        "text": lambda: text.run({TEXT_INPUT: ids}),
    }
    return Side(calls, runs=image.description, setup_s=setup_s, facts={"megabytes": files})


def measure(bundles: list[str], turns: Turns, threads: int, log: Path) -> dict[str, Any]:
    """Times of every bundle by what is called; one that cannot be loaded has the reason in their place."""
    with ExitStack() as stack:
        workers = {
            bundle: stack.enter_context(
                Worker("benchmarks.litert:bundle_side", [bundle, str(threads)], log / f"{number}.txt")
            )
            for number, bundle in enumerate(bundles)
        }
        failed: dict[str, str] = {}
        loaded = load_all(workers, failed, LOAD_S)
        taken = {call: take_turns({name: workers[name] for name in loaded}, call, turns) for call in CALLS}
    for found in taken.values():
        failed |= found.failed
    return {
        "not_run": {Path(name).name: reason for name, reason in failed.items()},
        "bundles": {
            Path(name).name: {key: loaded[name][key] for key in ("runs", "setup_s", "facts")}
            for name in loaded
        },
        **{
            call: table(
                {Path(name).name: times for name, times in found.times.items()}, [Path(bundles[0]).name]
            )
            for call, found in taken.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundles", nargs="+", metavar="BUNDLE")
    parser.add_argument("--rounds", type=int, default=12, help="turns of every bundle")
    parser.add_argument("--calls", type=int, default=4, help="calls of a turn that are measured")
    parser.add_argument("--threads", type=int, default=0, help="of every engine; its own choice without it")
    parser.add_argument("--busy", action="store_true", help="measure beside other work; the record says so")
    arguments = parser.parse_args()
    if min(arguments.rounds, arguments.calls) < 1 or arguments.threads < 0:
        parser.error("--rounds and --calls must be positive")
    if len({Path(bundle).name for bundle in arguments.bundles}) < len(arguments.bundles):
        parser.error("bundles are told apart by the names of their folders")
    quiet = look()
    if (found := complaints_here(quiet)) and not arguments.busy:
        sys.exit(f"the machine is not quiet: {'; '.join(found)}. End what else runs, or say --busy")
    turns = Turns(arguments.rounds, arguments.calls)
    with tempfile.TemporaryDirectory() as log:
        measured = measure(arguments.bundles, turns, arguments.threads, Path(log))
    setting = circumstances(
        quiet.load, rounds=turns.rounds, calls=turns.calls, threads=arguments.threads or None, batch=1
    )
    write_record("litert", {**setting, "quiet": quiet.recorded(), "cautions": found, **measured})
    print(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
