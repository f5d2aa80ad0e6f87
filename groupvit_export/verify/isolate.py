"""The grouping attention cut out of an engine's file, as an engine of its own.

Not built anew from a fresh graph: what is in the file is what is tested. The values around the op carry
fixed names (`groupvit_export.graph.naming`) that survive a conversion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groupvit_export.graph.naming import grouping_nodes, grouping_value
from groupvit_export.verify.backends import Grouping
from groupvit_export.verify.reference import Arrays
from groupvit_kernels.contract import INPUTS, OUTPUTS
from groupvit_runtime.engines import Engine, EngineOptions, load_engine
from groupvit_runtime.manifest import EngineInfo, FileInfo, TensorInfo

_RANKS: Final[Mapping[str, int]] = MappingProxyType({"query": 3, "tokens": 3, "bias": 2})


def isolate(
    info: EngineInfo, root: Path, stages: int, folder: Path, options: EngineOptions
) -> tuple[Grouping, ...] | str:
    """Cut the op of every stage out of the image engine.

    Args:
        info: of the image engine.
        root: the bundle's folder.
        stages: how many blocks there are.
        folder: where the small engines are written.
        options: how they are run.

    Returns:
        A function a stage, or why there is none.
    """
    cut = _CUTS.get(info.target)
    if cut is None:
        return f"the op cannot be cut out of a {info.target} engine"
    groupings = []
    for stage in range(1, stages + 1):
        names = cut(root / info.files[0].path, stage, folder)
        if isinstance(names, str):
            return names
        files = tuple(FileInfo.of(folder, name) for name in names)
        own = replace(
            info,
            files=files,
            inputs=tuple(TensorInfo(grouping_value(stage, name), "float32", ()) for name in INPUTS),
            outputs=tuple(TensorInfo(grouping_value(stage, name), "float32", ()) for name in OUTPUTS),
        )
        groupings.append(_grouping(load_engine(own, folder, options), stage))
    return tuple(groupings)


def _grouping(engine: Engine, stage: int) -> Grouping:
    def run(query: NDArray[np.float32], tokens: NDArray[np.float32], bias: NDArray[np.float32]) -> Arrays:
        given = {"query": query, "tokens": tokens, "bias": bias}
        outputs = engine.run({grouping_value(stage, name): array for name, array in given.items()})
        return {name: outputs[grouping_value(stage, name)] for name in OUTPUTS}

    return run


def _cut_onnx(path: Path, stage: int, folder: Path) -> tuple[str, ...] | str:
    import onnx

    model = onnx.load(path)
    nodes = grouping_nodes(model)
    if len(nodes) < stage:
        return "the file has no node of the grouping attention"
    node = nodes[stage - 1]
    kinds = dict.fromkeys(("means", "soft", "count"), onnx.TensorProto.FLOAT) | {
        "index": onnx.TensorProto.INT64
    }
    ranks = {"means": 3, "soft": 3, "index": 2, "count": 2}
    inputs = [
        onnx.helper.make_tensor_value_info(
            grouping_value(stage, name), onnx.TensorProto.FLOAT, [None] * _RANKS[name]
        )
        for name in INPUTS
    ]
    outputs = [
        onnx.helper.make_tensor_value_info(grouping_value(stage, name), kinds[name], [None] * ranks[name])
        for name in OUTPUTS
    ]
    own = onnx.NodeProto()
    own.CopyFrom(node)
    own.input[:] = [grouping_value(stage, name) for name in INPUTS]
    own.output[:] = [grouping_value(stage, name) for name in OUTPUTS]
    graph = onnx.helper.make_graph([own], f"grouping_{stage}", inputs, outputs)
    small = onnx.helper.make_model(graph, opset_imports=model.opset_import, functions=model.functions)
    small.ir_version = model.ir_version
    name = f"grouping_{stage}.onnx"
    onnx.save_model(small, folder / name)
    return (name,)


def _cut_openvino(path: Path, stage: int, folder: Path) -> tuple[str, ...] | str:
    import openvino as ov
    from openvino import opset13

    model = ov.Core().read_model(path)
    outputs = {
        name: output for op in model.get_ops() for output in op.outputs() for name in output.get_names()
    }
    wanted = {name: grouping_value(stage, name) for name in (*INPUTS, *OUTPUTS)}
    missing = sorted(value for value in wanted.values() if value not in outputs)
    if missing:
        return f"the file has no tensors {', '.join(missing)}"
    parameters = []
    for name in INPUTS:
        parameter = opset13.parameter([-1] * _RANKS[name], np.float32, name=wanted[name])
        for target in outputs[wanted[name]].get_target_inputs():
            target.replace_source_output(parameter.output(0))
        parameter.output(0).set_names({wanted[name]})
        parameters.append(parameter)
    results = [opset13.result(outputs[wanted[name]]) for name in OUTPUTS]
    ov.save_model(
        ov.Model(results, parameters, f"grouping_{stage}"),
        folder / f"grouping_{stage}.xml",
        compress_to_fp16=False,
    )
    return f"grouping_{stage}.xml", f"grouping_{stage}.bin"


_CUTS: Final[Mapping[str, Callable[[Path, int, Path], tuple[str, ...] | str]]] = MappingProxyType(
    {"onnx": _cut_onnx, "openvino": _cut_openvino}
)
