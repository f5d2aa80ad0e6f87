"""Time the bundles beside what a user would otherwise have, in one process, call by call in turn.

Usage: python -m benchmarks.peers [--rounds N] [--only NAME,...] [--threads N] [--fresh N]
Writes benchmarks/results/peers.json.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

# Nothing here is on a hub; asking for it would be part of transformers' cold start.
os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch

from benchmarks.checkpoint import VOC
from benchmarks.peers.agreement import (
    LEAST_AGREEMENT,
    Agreement,
    agreement,
    check_agreement,
    check_telling,
)
from benchmarks.peers.fresh import commands, measure_fresh
from benchmarks.peers.hugging_face import PREPROCESSING, HuggingFace
from benchmarks.peers.inputs import INPUT, SIZE, Material, make_material
from benchmarks.peers.ours import our_side
from benchmarks.peers.plain import export_plain, in_onnxruntime, in_openvino
from benchmarks.peers.sides import BUNDLES, OURS, SIDES, Side, chosen
from benchmarks.record import circumstances, write_record
from benchmarks.timing import SETTLE_S, WARM_UP, milliseconds, table
from groupvit_export.benchmark.bootstrap import CONFIDENCE, RESAMPLES
from groupvit_export.benchmark.compare import MIN_COMPARED
from groupvit_export.benchmark.machine import load_average, this_machine
from groupvit_export.benchmark.steadiness import LOAD_LIMIT
from groupvit_runtime import Vocabulary

DECODING = (
    "The plain exports end where ours do, at embeddings and soft maps; their label map is made by the lines "
    "of transformers' forward in torch. ONNX Runtime has its defaults, so its threads still spin then and "
    "slow torch down; with session.intra_op.allow_spinning off that part of the call was much shorter"
)
TEXT = "As users call it, the prompts are tokenized with padding=True, that is to the longest of them"
CACHED = "The bundles have their vocabulary cached, also beside transformers as users call it"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=120, help="calls of every side in every table")
    parser.add_argument(
        "--only", metavar="NAME,...", help=f"of {', '.join(SIDES)}; the fp32 bundles always run"
    )
    parser.add_argument("--threads", type=int, help="of every side; each one's own choice without it")
    parser.add_argument("--fresh", type=int, default=5, help="fresh processes of each kind, 0 for none")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.fresh < 0 or (arguments.threads or 1) < 1:
        parser.error("--rounds and --threads must be positive, --fresh not negative")
    try:
        names, reasons = chosen(arguments.only, _installed, _has_bf16())
    except ValueError as error:
        parser.error(str(error))
    with tempfile.TemporaryDirectory() as folder:
        record = _run(Path(folder), names, reasons, arguments)
    _say(f"wrote {write_record('peers', record).name}")


def _run(
    folder: Path, names: list[str], reasons: Mapping[str, str], arguments: argparse.Namespace
) -> dict[str, Any]:
    # Before the export, whose own load would hide that of others.
    load_before = load_average()
    threads: int | None = arguments.threads
    if threads is not None:
        torch.set_num_threads(threads)
    _say("write the checkpoint and export the bundles")
    material = make_material(folder, names)
    reasons = {**reasons, **material.refused}
    names = [name for name in names if name not in material.refused]
    sides = _set_up(names, material, folder / "plain.onnx", threads)
    _say("check that all compute the same")
    agreements, labels = _agreements(sides)
    _say(f"time {len(sides)} sides, {arguments.rounds} rounds")
    images = milliseconds({name: side.image for name, side in sides.items()}, arguments.rounds)
    engines = {name: side.engine for name, side in sides.items() if side.engine is not None}
    engine_times = milliseconds(engines, arguments.rounds)
    _say("fresh processes")
    starts = commands(material, ",".join(VOC))
    return {
        **circumstances(
            load_before,
            rounds=arguments.rounds,
            warm_up=WARM_UP,
            pause_ms=round(SETTLE_S * 1000),
            threads=threads,
            torch_threads=torch.get_num_threads(),
            torchvision="installed" if _installed("torchvision") else "not installed",
            batch=1,
            input_px=INPUT,
            image_px={"width": SIZE[1], "height": SIZE[0]},
            classes=len(VOC),
            labels_in_the_map=labels,
            interval_percent=round(100 * CONFIDENCE),
            resamples=RESAMPLES,
            least_agreement_percent=LEAST_AGREEMENT,
            weights="full-size architecture, random weights with sharpened assignments",
            preprocessing_of_peers=PREPROCESSING,
            decoding_of_peers=DECODING,
            text=TEXT,
            bundles=CACHED,
        ),
        "sides": _described(sides, reasons, agreements),
        "image": table(images, BUNDLES),
        "engine": table(engine_times, BUNDLES),
        "fresh": measure_fresh(starts, arguments.fresh),
        "cautions": _cautions(load_before, arguments.rounds),
    }


def _set_up(names: list[str], material: Material, plain: Path, threads: int | None) -> dict[str, Side]:
    eager = HuggingFace(material.checkpoint, material.image, VOC)
    half = HuggingFace(material.checkpoint, material.image, VOC, torch.bfloat16)
    pixels = eager.read()[0].numpy()
    if any(name.startswith("plain-") for name in names):
        export_plain(eager, plain)

    def ours(name: str) -> Side:
        words = Vocabulary.load(material.vocabularies[name])
        return our_side(material.bundles[name], material.image, words, pixels, threads)

    # What OpenVINO would choose by itself for what NNCF leaves as it is.
    rest = "bf16" if _has_bf16() else "f32"
    make: dict[str, Callable[[], Side]] = {
        **{name: partial(ours, name) for name in BUNDLES},
        "transformers": lambda: Side(eager.as_users_call_it, None, None, eager.described("eager")),
        "transformers-cached": lambda: eager.cached(eager.path),
        "transformers-bf16": lambda: Side(half.as_users_call_it, None, None, half.described("eager")),
        "transformers-bf16-cached": lambda: half.cached(half.path),
        "transformers-compiled": eager.compiled,
        "plain-onnxruntime": lambda: in_onnxruntime(eager, plain, threads),
        "plain-openvino": lambda: in_openvino(eager, plain, threads, "f32"),
        "plain-openvino-bf16": lambda: in_openvino(eager, plain, threads, "bf16"),
        "plain-openvino-int8": lambda: in_openvino(eager, plain, threads, rest, quantize=True),
    }
    sides = {}
    for name in names:
        _say(f"set up {name}")
        sides[name] = make[name]()
    return sides


def _agreements(sides: Mapping[str, Side]) -> tuple[dict[str, Agreement], int]:
    reference = sides[OURS[0]]
    labels = reference.image()
    count = check_telling(labels)
    expected = reference.outputs() if reference.outputs else None
    found = {
        name: agreement(side.image(), labels, side.outputs() if side.outputs else None, expected)
        for name, side in sides.items()
    }
    check_agreement(found)
    return found, count


def _described(
    sides: Mapping[str, Side], reasons: Mapping[str, str], agreements: Mapping[str, Agreement]
) -> dict[str, dict[str, Any]]:
    described: dict[str, dict[str, Any]] = {}
    for name, info in SIDES.items():
        row: dict[str, Any] = {"title": info.title, "exact": info.exact, "engine": info.engine}
        if name in sides:
            row |= {"runs": sides[name].runs, "setup_s": round(sides[name].setup_s, 2)}
            row["agreement"] = asdict(agreements[name])
        else:
            row["not_run"] = reasons[name]
        described[name] = row
    return described


def _installed(name: str) -> bool:
    return shutil.which(name) is not None or find_spec(name) is not None


def _has_bf16() -> bool:
    return any("bf16" in flag for flag in this_machine().flags)


def _cautions(load: float | None, rounds: int) -> list[str]:
    found = []
    limit = LOAD_LIMIT * this_machine().usable_cores
    if load is not None and load > limit:
        found.append(f"the machine was busy before the start, load average {load:.2f}, limit {limit:.2f}")
    if rounds < MIN_COMPARED:
        found.append(f"{rounds} rounds, fewer than {MIN_COMPARED}: intervals are narrower than they say")
    return found


def _say(what: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {what}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
