"""Target `openvino`: intermediate representation (.xml and .bin)."""

from __future__ import annotations

import re
from itertools import count
from pathlib import Path
from typing import Final

import onnx

from groupvit_export.errors import EngineError, ExportError
from groupvit_export.graph.grouping_attention_function import inlined
from groupvit_export.graph.naming import grouping_nodes, grouping_value
from groupvit_export.targets.base import BuildRequest, BuiltEngine
from groupvit_export.targets.openvino.files import read_model, write_model
from groupvit_export.targets.openvino.float32 import deciding, mark, transpose_inside_products
from groupvit_export.targets.options import TargetOptions
from groupvit_runtime.without_telemetry.openvino import openvino as ov

_EXACT_IN_BF16: Final = 256
"""bf16 counts to here."""


def build(model: onnx.ModelProto, folder: Path, request: BuildRequest[TargetOptions]) -> BuiltEngine:
    """Write `ROLE.xml` and `ROLE.bin`, weights in float32.

    In bf16 the file says that OpenVINO leaves what decides in float32, and is compiled to see that it does.

    Raises:
        ExportError: OpenVINO cannot convert the graph, or decides in bf16.
        EngineError: OpenVINO does not compute in bf16 on this CPU.
    """
    stages = len(grouping_nodes(model))
    # OpenVINO refuses model-local functions.
    graph = inlined(model)
    try:
        converted = ov.Core().read_model(graph.SerializeToString())
    except RuntimeError as error:
        raise ExportError(
            "OpenVINO cannot convert the graph",
            got=str(error).strip().splitlines()[0],
            fix="install the openvino of constraints.txt",
        ) from error
    if request.precision == "bf16":
        transpose_inside_products(converted)
    name_reproducibly(converted, graph)
    files = write_model(converted, folder, request.role)
    if request.precision == "bf16":
        mark(folder / files[0], deciding(converted, stages))
        check_bf16(read_model(folder / files[0]), stages)
    versions = {"onnx": onnx.__version__, "openvino": _version()}
    return BuiltEngine(files=files, versions=versions, hardware="any CPU")


def name_reproducibly(model: ov.Model, graph: onnx.ModelProto) -> None:
    """Number the layers that OpenVINO named itself from one on: its own counter goes on through the process.

    Args:
        model: as it was read.
        graph: what it was read from; what has a name there keeps it.
    """
    known = {name for node in graph.graph.node for name in (node.name, *node.input, *node.output)}
    numbers = count(1)
    for operation in model.get_ordered_ops():
        kind, name = operation.get_type_name(), operation.get_friendly_name()
        if name not in known and re.fullmatch(rf"{kind}_\d+", name):
            operation.set_friendly_name(next(new for n in numbers if (new := f"{kind}_{n}") not in known))


def check_bf16(model: ov.Model, stages: int) -> None:
    """Compile for this CPU in bf16, and look at the precision in which every layer would run.

    Raises:
        EngineError: this CPU has another precision.
        ExportError: logits, their softmax or their argmax, or a large count is not float32.
    """
    core, hint = ov.Core(), ov.Type.bf16
    compiled = core.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": hint})
    active = compiled.get_property("INFERENCE_PRECISION_HINT")
    if active != hint:
        raise EngineError(
            "OpenVINO does not compute in bf16 on this CPU",
            got=f"{active.get_type_name()} on {core.get_property('CPU', 'FULL_DEVICE_NAME')}",
            expected="a CPU with AVX-512, or with AMX where it is to be fast",
            fix="--precision fp32, or export on the machine where the bundle will run",
        )
    found = layer_precisions(compiled)
    wrong = {name: found.get(name, "no such layer") for name in deciding_layers(model, stages)}
    wrong = {name: precision for name, precision in wrong.items() if precision != "f32"}
    if wrong:
        raise ExportError(
            f"OpenVINO {_version()} would not decide in float32",
            got=", ".join(f"{name}: {precision}" for name, precision in wrong.items()),
            expected="f32",
            fix="install the openvino of constraints.txt, or --precision fp32",
        )


def layer_precisions(compiled: ov.CompiledModel) -> dict[str, str]:
    """Precision by layer of the file, as it runs: "f32", "bf16"."""
    found: dict[str, str] = {}
    for layer in compiled.get_runtime_model().get_ops():
        facts, names = layer.rt_info, [layer.get_friendly_name()]
        # What was fused runs under one name and lists the others.
        if "originalLayersNames" in facts:
            names += facts["originalLayersNames"].astype(str).split(",")
        found |= dict.fromkeys(names, facts["runtimePrecision"].astype(str))
    return found


def deciding_layers(model: ov.Model, stages: int) -> tuple[str, ...]:
    """Layers that have to be float32 for the assignments to be what they should be, and the counts exact."""
    names: list[str] = []
    for stage in range(1, stages + 1):
        names += (f"products__{stage}", f"logits__{stage}", f"winner__{stage}", f"soft_map_{stage}")
        tokens = model.output(f"soft_map_{stage}").get_partial_shape()[2].get_length()
        if tokens > _EXACT_IN_BF16:
            names.append(grouping_value(stage, "count"))
    return tuple(names)


def _version() -> str:
    return str(ov.__version__).split("-")[0]
