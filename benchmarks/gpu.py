"""Measurements that need a GPU. Without one nothing is measured, and nothing is written.

Usage: python -m benchmarks.gpu trt [--flavor tensorrt|rtx] [--rounds N]

`trt` builds demo and full-size engines in every precision, runs and verifies them, and times them with and
without CUDA graphs; writes benchmarks/results/gpu-trt-FLAVOR-DEVICE.json. An engine that does not load is
recorded with what was said.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.checkpoint import write_full_size_checkpoint
from benchmarks.record import machine, write_record
from benchmarks.timing import Timing, milliseconds, ratio
from groupvit_export.errors import EngineError, GroupViTError
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.quantization.options import QuantizationOptions
from groupvit_export.targets.registry import TARGETS
from groupvit_export.targets.tensorrt.choose import choose_flavor
from groupvit_export.targets.tensorrt.options import Bounds, TrtOptions
from groupvit_runtime.contract import IMAGE_INPUT
from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.engines.cuda import DeviceInfo, open_cuda
from groupvit_runtime.open_bundle import open_bundle
from groupvit_runtime.serialize import to_json

BATCHES = (1, 8, 64)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["trt"])
    parser.add_argument("--flavor", choices=["tensorrt", "rtx"])
    parser.add_argument("--rounds", type=int, default=100)
    arguments = parser.parse_args()
    try:
        device = open_cuda().device
    except EngineError as error:
        print(f"nothing was measured: {error}", file=sys.stderr)
        return 1
    options = TrtOptions(flavor=arguments.flavor, batch=Bounds(1, 8, max(BATCHES)))
    choice = choose_flavor(options)
    report: dict[str, Any] = {
        "machine": machine(),
        "device": asdict(device),
        "builder": f"{choice.flavor.title} {choice.trt.__version__}",
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        full = write_full_size_checkpoint(folder / "full-size")
        for size, checkpoint in (("demo", None), ("full size", str(full))):
            for precision in TARGETS["trt"].precisions:
                print(f"{size}, {precision} ...", file=sys.stderr, flush=True)
                output = folder / f"{size}-{precision}".replace(" ", "-")
                request = ExportOptions(
                    target="trt",
                    precision=precision,
                    checkpoint=checkpoint,
                    output=output,
                    allow_failed_parity=True,
                    target_options=options,
                    # Random weights leave nothing to judge label maps by.
                    quantization=QuantizationOptions(
                        budget=LabelBudget(max_miou_drop=100.0, min_agreement=0.0)
                    ),
                )
                report[f"{size}, {precision}"] = _measure(request, arguments.rounds)
    write_record(f"gpu-trt-{choice.flavor.name}-{_slug(device)}", report)
    print(json.dumps(report, indent=2))
    return 0


def _measure(request: ExportOptions, rounds: int) -> dict[str, Any]:
    start = time.perf_counter()
    try:
        result = export_bundle(request)
    except GroupViTError as error:
        return {"refused": str(error), "after_s": round(time.perf_counter() - start, 2)}
    bundle = open_bundle(result.path)
    info = bundle.manifest.engine("image")
    sizes = {file.path: file.bytes for engine in bundle.manifest.engines for file in engine.all_files}
    return {
        "export_s": result.seconds,
        "bytes": sizes,
        "parity": to_json(result.provenance.parity),
        "first_images": _first_images(result.path),
        "latency": {str(batch): _latency(info, bundle.root, batch, rounds) for batch in BATCHES},
    }


def _first_images(bundle: Path) -> dict[str, Any]:
    """Two processes with one cache between them: the first finds it empty."""
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "XDG_CACHE_HOME": cache}
        command = [sys.executable, "-m", "benchmarks.gpu_first", str(bundle)]
        return {
            name: json.loads(
                subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
            )
            for name in ("cold", "warm")
        }


def _latency(info: Any, root: Path, batch: int, rounds: int) -> dict[str, Any]:
    """Milliseconds from page-locked memory to page-locked memory, with and without CUDA graphs in turn."""
    engines = {
        name: load_engine(info, root, EngineOptions(device="cuda", cuda_graphs=graphs))
        for name, graphs in (("graph", True), ("plain", False))
    }
    shape = (batch, *info.inputs[0].shape[1:])
    inputs = {IMAGE_INPUT: np.random.default_rng(0).normal(size=shape).astype(np.float32)}
    times = milliseconds(
        {name: lambda engine=engine: engine.run(inputs) for name, engine in engines.items()},
        rounds,
        warm_up=10,
    )
    return {
        "milliseconds": {name: asdict(Timing.of(values)) for name, values in times.items()},
        "plain_over_graph": asdict(ratio(times["plain"], times["graph"])),
        "images_per_s": round(1000 * batch / Timing.of(times["graph"]).median, 1),
    }


def _slug(device: DeviceInfo) -> str:
    return re.sub(r"[^a-z0-9]+", "-", device.name.lower()).strip("-")


if __name__ == "__main__":
    sys.exit(main())
