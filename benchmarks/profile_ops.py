"""Where the time of the image engine goes, operator by operator, by the runtimes' own profiles.

Profiling costs time itself and says nothing of what a call costs as a whole; the shares are what matters.
ONNX Runtime counts its own operators after fusing, OpenVINO its layers, so the two tables are not of the same
things. Runs of the two take turns.

Usage: python -m benchmarks.profile_ops [BUNDLE] [--without PASS ...] [--batch N] [--threads N] [--runs N]
BUNDLE is of the target onnx; without one, a graph of the published size with random weights is captured.
Writes benchmarks/results/profile-ops.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch

from benchmarks.record import machine, write_record
from groupvit_export.graph.capture import capture_image_encoder
from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.grouping_attention_function import inlined
from groupvit_export.graph.passes import PASSES, apply_passes, select_passes
from groupvit_export.model import GroupViTModel
from groupvit_export.model.config import GroupViTConfig
from groupvit_runtime.contract import IMAGE_INPUT
from groupvit_runtime.open_bundle import open_bundle
from groupvit_runtime.without_telemetry.onnxruntime import onnxruntime
from groupvit_runtime.without_telemetry.openvino import openvino as ov

SIZE = (224, 224)
WARM_UP = 3


@dataclass(frozen=True)
class OpTime:
    """One type of operator: how many ran in a call, milliseconds of a call, percent of all."""

    op: str
    count: int
    ms: float
    share: float


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", nargs="?", type=Path)
    parser.add_argument("--without", action="append", default=[], choices=list(PASSES), metavar="PASS")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--runs", type=int, default=20)
    arguments = parser.parse_args()
    if arguments.bundle is not None and arguments.without:
        parser.error("--without is for the captured graph; a bundle has the passes that it was exported with")
    model = _captured(arguments.without) if arguments.bundle is None else _of_bundle(arguments.bundle)
    height, width = (dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[2:])
    shape = (arguments.batch, 3, height, width)
    pixels = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    with tempfile.TemporaryDirectory(prefix="groupvit-profile-") as scratch:
        sides = {
            "ONNX Runtime": _OnnxRuntime(model, arguments.threads, Path(scratch)),
            "OpenVINO": _OpenVINO(model, arguments.threads),
        }
        for _ in range(WARM_UP + arguments.runs):
            for side in sides.values():
                side.run(pixels)
        tables = {name: side.table(arguments.runs) for name, side in sides.items()}
    for name, rows in tables.items():
        _print(name, rows)
    report: dict[str, Any] = {
        "machine": machine(),
        "bundle": None if arguments.bundle is None else arguments.bundle.name,
        "without": arguments.without,
        "batch": arguments.batch,
        "threads": arguments.threads,
        "runs": arguments.runs,
        "nodes": len(model.graph.node),
        **{name: [asdict(row) for row in rows] for name, rows in tables.items()},
    }
    write_record("profile-ops", report)


class _OnnxRuntime:
    def __init__(self, model: onnx.ModelProto, threads: int, scratch: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        options.intra_op_num_threads = threads
        options.enable_profiling = True
        options.profile_file_prefix = str(scratch / "onnxruntime")
        self._session = onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def run(self, pixels: np.ndarray) -> None:
        self._session.run(None, {IMAGE_INPUT: pixels})

    def table(self, runs: int) -> list[OpTime]:
        events = json.loads(Path(self._session.end_profiling()).read_text())
        nodes = [e for e in events if e.get("cat") == "Node" and e["name"].endswith("_kernel_time")]
        # All calls have the same nodes in the same order; those of the warm-up come first.
        per_call = len(nodes) // (WARM_UP + runs)
        kept = nodes[WARM_UP * per_call :]
        spent: defaultdict[str, list[float]] = defaultdict(list)
        for event in kept:
            spent[event["args"]["op_name"]].append(event["dur"] / 1000)
        return _rows(spent, runs)


class _OpenVINO:
    def __init__(self, model: onnx.ModelProto, threads: int) -> None:
        core = ov.Core()
        properties = {
            "INFERENCE_PRECISION_HINT": ov.Type.f32,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "PERF_COUNT": True,
        }
        compiled = core.compile_model(core.read_model(model.SerializeToString()), "CPU", properties)
        self._request = compiled.create_infer_request()
        self._calls: list[list[tuple[str, float]]] = []

    def run(self, pixels: np.ndarray) -> None:
        self._request.infer({IMAGE_INPUT: pixels}, share_inputs=True)
        self._calls.append(
            [
                (item.node_type, item.real_time.total_seconds() * 1000)
                for item in self._request.profiling_info
                if item.real_time.total_seconds() > 0
            ]
        )

    def table(self, runs: int) -> list[OpTime]:
        spent: defaultdict[str, list[float]] = defaultdict(list)
        for call in self._calls[WARM_UP:]:
            for kind, ms in call:
                spent[kind].append(ms)
        return _rows(spent, runs)


def _rows(spent: Mapping[str, list[float]], runs: int) -> list[OpTime]:
    total = sum(sum(times) for times in spent.values())
    rows = [
        OpTime(op, round(len(times) / runs), round(sum(times) / runs, 3), round(100 * sum(times) / total, 1))
        for op, times in spent.items()
    ]
    return sorted(rows, key=lambda row: row.ms, reverse=True)


def _print(name: str, rows: list[OpTime]) -> None:
    print(f"\n{name}: {sum(row.ms for row in rows):.1f} ms in {sum(row.count for row in rows)} operators")
    for row in rows:
        print(f"  {row.op:<28} {row.count:>4}  {row.ms:>8.3f} ms  {row.share:>5.1f} %")


def _captured(without: list[str]) -> onnx.ModelProto:
    torch.manual_seed(0)
    encoder = ImageEncoder(GroupViTModel(GroupViTConfig()).eval(), SIZE)
    apply_passes(encoder, select_passes(without))
    return inlined(capture_image_encoder(encoder))


def _of_bundle(path: Path) -> onnx.ModelProto:
    opened = open_bundle(path)
    engine = opened.manifest.engine("image")
    if engine.target != "onnx" or engine.inputs[0].name != IMAGE_INPUT:
        raise SystemExit(
            f"{path} is of the target {engine.target} or takes {engine.inputs[0].name}: "
            "give one of --target onnx and --input float32"
        )
    return inlined(onnx.load(engine.files[0].verify(opened.root)))


if __name__ == "__main__":
    main()
