"""A target's engines on the GPU: built, verified, timed. Without a GPU nothing is measured.

Usage: python -m benchmarks.gpu.engines trt|onnx|torch [--flavor tensorrt|rtx] [--precisions LIST]
                                        [--rounds N]

The demo and the full-size architecture with random weights, in float32 first. Writes a row as soon as it is
known; an engine that cannot be built or does not load is a row with what was said.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

# Before ONNX Runtime, which finds CUDA's libraries by it.
import torch  # noqa: F401

# isort: split
import numpy as np
from numpy.typing import NDArray

from benchmarks.checkpoint import write_full_size_checkpoint
from benchmarks.gpu.custom_operator import OPERATOR, session_with_operator
from benchmarks.gpu.device import NoGpuError, find_gpu
from benchmarks.gpu.rows import not_run, note, write_row
from benchmarks.timing import Timing, milliseconds, ratio
from groupvit_export.benchmark.machine import this_machine
from groupvit_export.errors import GroupViTError
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.pipeline.api import ExportOptions, ExportResult, export_bundle
from groupvit_export.quantization.options import QuantizationOptions
from groupvit_export.targets.aotinductor.options import TorchOptions
from groupvit_export.targets.options import TargetOptions
from groupvit_export.targets.tensorrt.options import Bounds, TrtOptions
from groupvit_export.verification.api import VerifyOptions, verify_bundle
from groupvit_runtime.contract import IMAGE_INPUT
from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.manifest import EngineInfo
from groupvit_runtime.open_bundle import open_bundle
from groupvit_runtime.serialize import to_json

BATCHES: Final = (1, 8, 64)
PRECISIONS: Final = {"trt": "fp32,fp16,bf16", "onnx": "fp32,fp16", "torch": "fp32"}
"""int8 is not among them: its calibration takes minutes of the processor, which a GPU would wait for."""

Call = Callable[[Mapping[str, NDArray[Any]]], Mapping[str, NDArray[Any]]]


@dataclass(frozen=True)
class Wanted:
    """What to measure.

    Attributes:
        size: "demo" or "full size".
        checkpoint: its folder; None for the demo.
        precision: of the engines.
    """

    size: str
    checkpoint: str | None
    precision: str


def main() -> int:
    """Measure the target; 0 if every engine passed, 1 if one did not."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("target", choices=list(PRECISIONS))
    parser.add_argument("--flavor", choices=["tensorrt", "rtx"])
    parser.add_argument("--precisions", help="comma-separated, instead of what the target is measured in")
    parser.add_argument("--rounds", type=int, default=30)
    given = parser.parse_args()
    try:
        find_gpu()
    except NoGpuError as error:
        return not_run(f"no GPU: {error}")
    write_row(machine=asdict(this_machine()))
    options = target_options(given.target, given.flavor)
    precisions = (given.precisions or PRECISIONS[given.target]).split(",")
    verdicts: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        full = str(write_full_size_checkpoint(folder / "full-size"))
        for precision in precisions:
            for size, checkpoint in (("demo", None), ("full size", full)):
                wanted = Wanted(size, checkpoint, precision)
                note(f"{size}, {precision} ...")
                output = folder / f"{size}-{precision}".replace(" ", "-")
                verdicts[f"{size} {precision}"] = measure(given.target, wanted, options, output, given.rounds)
    write_row(summary=", ".join(f"{name}: {verdict}" for name, verdict in verdicts.items()))
    return 0 if set(verdicts.values()) <= {"PASS", "AMBIGUOUS"} else 1


def target_options(target: str, flavor: str | None) -> TargetOptions | None:
    """For the device, and for all batches that are timed."""
    if target == "trt":
        return TrtOptions(flavor=flavor, batch=Bounds(1, 8, max(BATCHES)))
    return TorchOptions(device="cuda") if target == "torch" else None


def measure(target: str, wanted: Wanted, options: TargetOptions | None, output: Path, rounds: int) -> str:
    """Write the rows of one engine; the verdict, or "refused"."""
    of = {"size": wanted.size, "precision": wanted.precision}
    request = ExportOptions(
        target=target,
        precision=wanted.precision,
        checkpoint=wanted.checkpoint,
        output=output,
        allow_failed_parity=True,
        target_options=options,
        # Random weights leave nothing to judge label maps by.
        quantization=QuantizationOptions(budget=LabelBudget(max_miou_drop=100.0, min_agreement=0.0)),
    )
    start = time.perf_counter()
    try:
        result = export_bundle(request)
        verdict = _verified(target, result, of)
        write_row(**of, first_images=_first_images(result.path))
        bundle = open_bundle(result.path)
        info = bundle.manifest.engine("image")
        for batch in BATCHES:
            write_row(**of, batch=batch, latency=_latency(target, info, bundle.root, batch, rounds))
        if target == "onnx" and wanted.precision == "fp32":
            write_row(**of, custom_operator=_custom_operator(info, bundle.root, rounds))
    except GroupViTError as error:
        write_row(**of, refused=str(error), after_s=round(time.perf_counter() - start, 2))
        return "refused"
    return verdict


def _verified(target: str, result: ExportResult, of: Mapping[str, str]) -> str:
    """The verdict on the engines on the GPU."""
    bundle = open_bundle(result.path)
    sizes = {file.path: file.bytes for engine in bundle.manifest.engines for file in engine.all_files}
    write_row(**of, export_s=result.seconds, bytes=sizes, parity=to_json(result.provenance.parity))
    if target != "onnx":
        return result.provenance.parity.verdict
    # Exported by ONNX Runtime on the CPU; this is about the GPU.
    report = verify_bundle(result.path, VerifyOptions(device="cuda", limit=10)).report
    cells = {
        row.key.slug: {
            column: {"value": cell.value, "budget": cell.budget, "verdict": cell.verdict}
            for column, cell in row.cells.items()
        }
        for row in report.rows
    }
    write_row(**of, verdict=report.verdict, on_the_gpu=cells)
    return report.verdict


def _first_images(bundle: Path) -> dict[str, Any]:
    """Two processes with one cache between them: the first finds it empty."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as cache:
        environment = {**os.environ, "XDG_CACHE_HOME": cache}
        command = [sys.executable, "-m", "benchmarks.gpu.first_images", str(bundle)]
        for name in ("cold", "warm"):
            done = subprocess.run(
                command, env=environment, stdout=subprocess.PIPE, stderr=sys.stderr, text=True
            )
            if done.returncode != 0:
                return {**found, name: f"exit code {done.returncode}"}
            found[name] = json.loads(done.stdout)
    return found


def _latency(target: str, info: EngineInfo, root: Path, batch: int, rounds: int) -> dict[str, Any]:
    """Milliseconds from host memory to host memory; of TensorRT with and without CUDA graphs, in turn."""
    sides = (("graph", True), ("plain", False)) if target == "trt" else (("plain", False),)
    engines = {
        name: load_engine(info, root, EngineOptions(device="cuda", cuda_graphs=graphs))
        for name, graphs in sides
    }
    inputs = _random_input(info, batch)
    times = milliseconds(
        {name: lambda engine=engine: engine.run(inputs) for name, engine in engines.items()},
        rounds,
        warm_up=10,
    )
    return {
        "engine": next(iter(engines.values())).description,
        **_described(times, batch),
    }


def _custom_operator(info: EngineInfo, root: Path, rounds: int) -> dict[str, Any]:
    """The operator of kernels/cuda beside the function body, in one graph: results, and times in turn."""
    if not OPERATOR.exists():
        return {
            "not run": "it is built where ONNX Runtime's headers are: ONNXRUNTIME_ROOT=folder with include"
        }
    body = load_engine(info, root, EngineOptions(device="cuda"))
    operator, nodes = session_with_operator(
        root / info.files[0].path, [output.name for output in info.outputs]
    )
    found: dict[str, Any] = {"nodes in the optimized graph": nodes}
    for batch in BATCHES:
        found[str(batch)] = _beside(
            {"operator": operator, "body": body.run}, _random_input(info, batch), rounds
        )
    return found


def _beside(sides: Mapping[str, Call], inputs: Mapping[str, NDArray[Any]], rounds: int) -> dict[str, Any]:
    """Two sides with the same inputs."""
    left, right = (call(inputs) for call in sides.values())
    times = milliseconds(
        {name: lambda call=call: call(inputs) for name, call in sides.items()}, rounds, warm_up=10
    )
    return {
        "largest difference": {name: _difference(left[name], right[name]) for name in left},
        **_described(times, len(inputs[IMAGE_INPUT])),
    }


def _random_input(info: EngineInfo, batch: int) -> dict[str, NDArray[Any]]:
    shape = (batch, *info.inputs[0].shape[1:])
    return {IMAGE_INPUT: np.random.default_rng(0).normal(size=shape).astype(np.float32)}


def _described(times: Mapping[str, Sequence[float]], batch: int) -> dict[str, Any]:
    first, *others = times
    return {
        "milliseconds": {name: asdict(Timing.of(values)) for name, values in times.items()},
        **{f"{other}_over_{first}": asdict(ratio(times[other], times[first])) for other in others},
        "images_per_s": round(1000 * batch / Timing.of(times[first]).median, 1),
    }


def _difference(left: NDArray[Any], right: NDArray[Any]) -> float:
    if not np.issubdtype(left.dtype, np.floating):
        return int((left != right).sum())
    return float(np.abs(left.astype(np.float64) - right).max())


if __name__ == "__main__":
    sys.exit(main())
