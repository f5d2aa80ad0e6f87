"""What OpenVINO alone needs for an engine, stage by stage: the floor under our memory figures.

Usage: python -m benchmarks.openvino_memory MODEL.xml DIM,DIM,... [int64]; one line a stage, in MiB.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from groupvit_runtime.without_telemetry.openvino import openvino as ov


def _stage(name: str) -> None:
    fields: dict[str, int] = {}
    for file in ("status", "smaps_rollup"):
        lines = (line.split() for line in Path("/proc/self", file).read_text(encoding="utf-8").splitlines())
        fields |= {words[0]: int(words[1]) // 1024 for words in lines if words[-1] == "kB"}
    resident, anonymous = fields["Rss:"], fields["Anonymous:"]
    mapped = resident - anonymous
    print(f"{name:12} anonymous {anonymous:4} mapped {mapped:4} peak {fields['VmHWM:']:4}")


def main(model: Path, shape: list[int], dtype: str) -> None:
    _stage("imported")
    settings = {"INFERENCE_PRECISION_HINT": ov.Type.f32, "PERFORMANCE_HINT": "LATENCY"}
    compiled = ov.Core().compile_model(model, "CPU", settings)
    _stage("compiled")
    request = compiled.create_infer_request()
    for name in ("first run", "second run"):
        request.infer({0: np.ones(shape, dtype)})
        _stage(name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(side) for side in sys.argv[2].split(",")], (sys.argv[3:] or ["float32"])[0])
