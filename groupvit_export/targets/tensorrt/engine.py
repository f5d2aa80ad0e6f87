"""Target `trt`: a plan of TensorRT or TensorRT-RTX, and beside it the typed graph that it was built from."""

from __future__ import annotations

from pathlib import Path

import onnx

from groupvit_export.targets.base import BuildRequest, BuiltEngine
from groupvit_export.targets.tensorrt.choose import choose_flavor
from groupvit_export.targets.tensorrt.options import Bounds, TrtOptions
from groupvit_export.targets.tensorrt.plan import build_plan, hardware, plan_facts, profiles_of


def build(model: onnx.ModelProto, folder: Path, request: BuildRequest[TrtOptions]) -> BuiltEngine:
    """Write `ROLE.engine` and `ROLE.onnx`.

    Raises:
        MissingDependencyError: neither flavor is installed.
        EngineError: the flavor needs a GPU, and there is none.
        UsageError: the flavor lacks an option.
        ExportError: it cannot build the graph.
    """
    options = request.options
    choice = choose_flavor(options)
    longest = request.text_max_length
    profiles = profiles_of(
        model,
        options.batch if request.role == "image" else options.text_batch,
        Bounds(min(2, longest), min(16, longest), longest),
    )
    plan = build_plan(
        model,
        profiles,
        choice,
        options,
        lambda phase, share, seconds: request.report(
            f"{choice.flavor.title}, {request.role}: {phase}", share, seconds
        ),
    )
    name, source = f"{request.role}.engine", f"{request.role}.onnx"
    (folder / name).write_bytes(plan)
    onnx.save_model(model, folder / source)
    facts = plan_facts(profiles, choice, options, request.rebuild)
    return BuiltEngine(
        files=(name,),
        versions={"onnx": onnx.__version__, choice.flavor.module.replace("_", "-"): facts.version},
        hardware=hardware(facts, choice),
        source=source,
        tensorrt=facts,
    )
