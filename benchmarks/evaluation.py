"""The demo checkpoint by every decode, vocabulary and target; speed and memory of the evaluation.

Usage: python -m benchmarks.evaluation [--scenes N]; writes benchmarks/results/evaluation.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.record import machine, write_record
from benchmarks.timing import ratio
from examples.shapes.scenes import TEST_SEED, write_scenes
from examples.shapes.world import VOCABULARIES
from groupvit_export.pipeline.api import ExportOptions, export_bundle

_TARGETS = ("onnx", "openvino")
# (workers, threads of the engine): one image on all cores, and a core an image.
_ARRANGEMENTS = ((1, 2), (2, 1), (2, 2), (4, 1))
_MANY = 2000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenes", type=int, default=500, help="for the table of mIoU")
    parser.add_argument("--rounds", type=int, default=3, help="of the speed")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        scenes = folder / "scenes"
        for _ in write_scenes(scenes, _MANY, TEST_SEED, workers=2):
            pass
        bundles = {
            target: export_bundle(ExportOptions(target=target, precision="fp32", output=folder / target)).path
            for target in _TARGETS
        }
        report = {
            "machine": machine(),
            "scenes": arguments.scenes,
            "test_seed": TEST_SEED,
            "miou": _table(bundles, scenes, arguments.scenes),
            "speed": _speed(bundles, scenes, arguments.rounds),
            "peak_resident_mb": {
                target: {str(count): _evaluate(bundle, scenes, count)[1] for count in (200, _MANY)}
                for target, bundle in bundles.items()
            },
        }
    write_record("evaluation", report)
    print(json.dumps(report, indent=2))


def _table(bundles: dict[str, Path], scenes: Path, count: int) -> dict[str, Any]:
    """mIoU and pixel accuracy in percent, by decode, vocabulary and target."""
    table: dict[str, Any] = {}
    for decode in ("hf", "paper"):
        for vocabulary in VOCABULARIES:
            for target, bundle in bundles.items():
                options = ("--decode", decode, "--vocabulary", vocabulary, "--workers", "2", "--threads", "1")
                found, _ = _evaluate(bundle, scenes, count, *options)
                table.setdefault(decode, {}).setdefault(vocabulary, {})[target] = {
                    "miou": _percent(found["miou"]),
                    "pixel_accuracy": _percent(found["pixel_accuracy"]),
                    **{f"miou_{name}": _percent(value) for name, value in _subsets(found).items()},
                }
    return table


def _speed(bundles: dict[str, Path], scenes: Path, rounds: int) -> dict[str, Any]:
    """Images a second, whole process but for its start, all sides in turn."""
    sides = {
        f"{target}, {workers} workers, {threads} threads": (bundle, workers, threads)
        for target, bundle in bundles.items()
        for workers, threads in _ARRANGEMENTS
    }
    rates: dict[str, list[float]] = {side: [] for side in sides}
    for _ in range(rounds):
        for side, (bundle, workers, threads) in sides.items():
            options = ("--workers", str(workers), "--threads", str(threads))
            rates[side].append(_evaluate(bundle, scenes, 400, *options)[0]["speed"]["images_per_second"])
    one, core = (f"onnx, {workers} workers, {threads} threads" for workers, threads in _ARRANGEMENTS[:2])
    return {
        "images_per_second": {side: round(statistics.median(found), 1) for side, found in rates.items()},
        "all": {side: [round(value, 1) for value in found] for side, found in rates.items()},
        "onnx_two_workers_over_one": asdict(ratio(rates[core], rates[one])),
    }


def _evaluate(bundle: Path, scenes: Path, count: int, *options: str) -> tuple[dict[str, Any], float]:
    """The report of one evaluation in a fresh process, and the process's peak memory in MB."""
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "benchmarks.with_peak", "eval", str(bundle)]
        command += ["--dataset", "shapes", "--root", str(scenes), "--limit", str(count)]
        command += ["--worst", "0", "-o", output, "--json", "--quiet", *options]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout), float(done.stderr.splitlines()[-1])


def _subsets(report: dict[str, Any]) -> dict[str, float]:
    return {name: subset["miou"] for name, subset in report["subsets"].items()}


def _percent(share: float) -> float:
    return round(100 * share, 2)


if __name__ == "__main__":
    main()
