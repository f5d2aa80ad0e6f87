"""Target `onnx`: the graph itself, typed, with the function body of the grouping attention attached."""

from __future__ import annotations

from pathlib import Path

import onnx

from groupvit_export.graph.half_weights import W16, with_half_weights
from groupvit_export.graph.isolate import isolate_grouping
from groupvit_export.targets.base import BuildRequest, BuiltEngine
from groupvit_export.targets.cut import cut_info
from groupvit_export.targets.inspection import Missing, MissingPart
from groupvit_export.targets.options import TargetOptions
from groupvit_runtime.manifest import EngineInfo
from groupvit_runtime.without_telemetry.onnxruntime import onnxruntime


def build(model: onnx.ModelProto, folder: Path, request: BuildRequest[TargetOptions]) -> BuiltEngine:
    """Write `ROLE.onnx`; ONNX Runtime optimizes it for the machine when it is loaded."""
    name = f"{request.role}.onnx"
    if request.precision == W16:
        model = with_half_weights(model)
    onnx.save_model(model, folder / name)
    versions = {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__}
    return BuiltEngine(files=(name,), versions=versions, hardware="any")


def cut_op(info: EngineInfo, root: Path, stage: int, folder: Path) -> EngineInfo | Missing:
    """See `Target.cut_op`."""
    small = isolate_grouping(onnx.load_from_string(info.files[0].read(root)), stage)
    if small is None:
        return Missing(MissingPart.GROUPING_NODE)
    name = f"grouping_{stage}.onnx"
    onnx.save_model(small, folder / name)
    return cut_info(info, stage, folder, (name,))
