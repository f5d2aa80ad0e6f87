"""OpenVINO compiled for one shape beside one with a dynamic batch: time, bits, memory, and its model cache.

Usage: python -m benchmarks.static_shapes [--rounds N] [--threads N]
Writes benchmarks/results/static-shapes.json.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from benchmarks.checkpoint import write_full_size_checkpoint
from benchmarks.record import circumstances, write_record
from benchmarks.rounds import read_rounds
from benchmarks.timing import milliseconds, rounded_interval
from groupvit_export.benchmark.machine import load_average
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_runtime.without_telemetry.openvino import openvino as ov

INPUT: Final = 224
BATCHES: Final = (1, 8)
LOADS: Final = 5

Outputs = dict[str, NDArray[Any]]


def compile_model(graph: Path, batch: int | None, settings: Mapping[str, object]) -> Any:
    """The model of an IR file; `batch` None leaves it dynamic."""
    core = ov.Core()
    model = core.read_model(graph)
    if batch is not None:
        model.reshape([batch, 3, INPUT, INPUT])
    return core.compile_model(model, "CPU", dict(settings))


def outputs_of(request: Any, pixels: NDArray[np.float32]) -> Outputs:
    request.infer({0: pixels}, share_inputs=True)
    return {port.any_name: request.get_tensor(port).data.copy() for port in request.model_outputs}


def resident_mib() -> int:
    """Memory of this process that is not of files."""
    lines = Path("/proc/self/smaps_rollup").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) >> 10 for line in lines if line.startswith("Anonymous:"))


def measure(graph: Path, batch: int, rounds: int, settings: Mapping[str, object]) -> dict[str, Any]:
    """Both at one batch, in turn."""
    pixels = np.random.default_rng(0).standard_normal((batch, 3, INPUT, INPUT), np.float32)
    memory, requests = [resident_mib()], {}
    found: dict[str, Outputs] = {}
    for name, fixed in (("dynamic", None), ("static", batch)):
        requests[name] = compile_model(graph, fixed, settings).create_infer_request()
        found[name] = outputs_of(requests[name], pixels)
        memory.append(resident_mib())
    differing = [
        name for name, value in found["dynamic"].items() if not np.array_equal(value, found["static"][name])
    ]
    times = milliseconds(
        {name: lambda one=one: one.infer({0: pixels}, share_inputs=True) for name, one in requests.items()},
        rounds,
    )
    return {
        "batch": batch,
        "median_ms": {name: round(float(np.median(values)), 2) for name, values in times.items()},
        "dynamic_over_static": rounded_interval(times["static"], times["dynamic"]),
        "outputs_that_differ": differing,
        "memory_mib": {"dynamic": memory[1] - memory[0], "static_beside_it": memory[2] - memory[1]},
    }


def cached_loads(graph: Path, settings: Mapping[str, object]) -> dict[str, Any]:
    """Milliseconds of compiling, and of reading what OpenVINO's model cache kept."""
    with tempfile.TemporaryDirectory() as folder:
        cached = {**settings, "CACHE_DIR": folder}
        compile_model(graph, 1, cached)
        size = sum(file.stat().st_size for file in Path(folder).iterdir())
        times = milliseconds(
            {
                "compiled": lambda: compile_model(graph, 1, settings),
                "from_cache": lambda: compile_model(graph, 1, cached),
            },
            LOADS,
            warm_up=1,
        )
    return {
        "median_ms": {name: round(float(np.median(values)), 1) for name, values in times.items()},
        "cache_mb": round(size / 1e6, 1),
    }


def main() -> None:
    arguments = read_rounds(__doc__, 40, "of the engine")
    before = load_average()
    settings: dict[str, object] = {"INFERENCE_PRECISION_HINT": ov.Type.f32, "PERFORMANCE_HINT": "LATENCY"}
    if arguments.threads is not None:
        settings["INFERENCE_NUM_THREADS"] = arguments.threads
    with tempfile.TemporaryDirectory() as name:
        checkpoint = str(write_full_size_checkpoint(Path(name) / "checkpoint"))
        options = ExportOptions(
            "openvino", precision="fp32", checkpoint=checkpoint, output=Path(name) / "bundle"
        )
        graph = export_bundle(options).path / "image.xml"
        found = [measure(graph, batch, arguments.rounds, settings) for batch in BATCHES]
        cache = cached_loads(graph, settings)
    setting = circumstances(before, rounds=arguments.rounds, threads=arguments.threads, input_px=INPUT)
    write_record("static-shapes", {**setting, "batches": found, "load": cache})
    print(json.dumps({"batches": found, "load": cache}, indent=2))


if __name__ == "__main__":
    main()
