"""What is inside an OpenVINO file: the grouping attention, and the values between its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groupvit_export.graph.isolate import INPUT_RANKS
from groupvit_export.graph.naming import grouping_value
from groupvit_export.targets.base import MarkedEngine
from groupvit_export.targets.cut import cut_info
from groupvit_export.targets.inspection import Missing, MissingPart
from groupvit_export.targets.openvino.files import read_model, write_model
from groupvit_kernels.grouping_attention_contract import INPUTS, OUTPUTS
from groupvit_runtime.manifest import EngineInfo
from groupvit_runtime.without_telemetry.openvino import openvino as ov


def cut_op(info: EngineInfo, root: Path, stage: int, folder: Path) -> EngineInfo | Missing:
    """See `Target.cut_op`."""
    model = read_model(root / info.files[0].path)
    # A result carries the names of what it is the result of.
    makers = [op for op in model.get_ops() if op.get_type_name() != "Result"]
    outputs = {name: output for op in makers for output in op.outputs() for name in output.get_names()}
    wanted = {name: grouping_value(stage, name) for name in (*INPUTS, *OUTPUTS)}
    missing = sorted(value for value in wanted.values() if value not in outputs)
    if missing:
        return Missing(MissingPart.TENSORS, tuple(missing))
    parameters = []
    for name in INPUTS:
        parameter = ov.opset13.parameter([-1] * INPUT_RANKS[name], np.float32, name=wanted[name])
        for target in outputs[wanted[name]].get_target_inputs():
            target.replace_source_output(parameter.output(0))
        parameter.output(0).set_names({wanted[name]})
        parameters.append(parameter)
    results = [ov.opset13.result(outputs[wanted[name]]) for name in OUTPUTS]
    cut = ov.Model(results, parameters, f"grouping_{stage}")
    return cut_info(info, stage, folder, write_model(cut, folder, f"grouping_{stage}"))


def mark_values(path: Path, feeds: Mapping[str, NDArray[Any]]) -> MarkedEngine:
    """See `Target.mark_values`."""
    core = ov.Core()

    def run(names: Sequence[str]) -> dict[str, NDArray[Any]]:
        model = read_model(path)
        outputs = {name for output in model.outputs for name in output.get_names()}
        for name in names:
            if name not in outputs:
                model.add_outputs(name)
        compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": ov.Type.f32})
        request = compiled.create_infer_request()
        request.infer(dict(feeds))
        return {name: request.get_tensor(name).data.copy() for name in names}

    ops = read_model(path).get_ops()
    return MarkedEngine(
        frozenset(name for op in ops for output in op.outputs() for name in output.get_names()), run
    )
