"""Target `onnx`: the graph itself, typed, with the function body of the grouping attention attached."""

from __future__ import annotations

from pathlib import Path

import onnx

from groupvit_export.targets.registry import BuildRequest, BuiltEngine
from groupvit_runtime.without_telemetry.onnxruntime import onnxruntime


def build(model: onnx.ModelProto, folder: Path, request: BuildRequest) -> BuiltEngine:
    """Write `ROLE.onnx`; ONNX Runtime optimizes it for the machine when it is loaded."""
    name = f"{request.role}.onnx"
    onnx.save_model(model, folder / name)
    versions = {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
    return BuiltEngine(files=(name,), versions=versions, hardware="any")
