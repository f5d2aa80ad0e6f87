"""The grouping attention cut out of an engine's file, as an engine of its own.

Not built anew from a fresh graph: what is in the file is what is tested. The values around the op carry
fixed names (`groupvit_export.graph.naming`) that survive a conversion.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from groupvit_export.graph.naming import grouping_nodes, grouping_value
from groupvit_export.verification.backends import Grouping
from groupvit_export.verification.reference import Arrays
from groupvit_kernels.contract import INPUTS, OUTPUTS
from groupvit_runtime.engines import Engine, EngineOptions, load_engine
from groupvit_runtime.manifest import EngineInfo, FileInfo, ProfileInfo, TensorInfo

if TYPE_CHECKING:
    import onnx

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
        own = cut(info, root, stage, folder)
        if isinstance(own, str):
            return own
        groupings.append(_grouping(load_engine(own, folder, options), stage))
    return tuple(groupings)


def _grouping(engine: Engine, stage: int) -> Grouping:
    def run(query: NDArray[np.float32], tokens: NDArray[np.float32], bias: NDArray[np.float32]) -> Arrays:
        given = {"query": query, "tokens": tokens, "bias": bias}
        outputs = engine.run({grouping_value(stage, name): array for name, array in given.items()})
        return {name: outputs[grouping_value(stage, name)] for name in OUTPUTS}

    return run


def _described(info: EngineInfo, stage: int, folder: Path, names: tuple[str, ...]) -> EngineInfo:
    """The record of a cut-out engine in these files."""
    dtypes = {"index": "int64"}
    return replace(
        info,
        files=tuple(FileInfo.of(folder, name) for name in names),
        inputs=tuple(TensorInfo(grouping_value(stage, name), "float32", ()) for name in INPUTS),
        outputs=tuple(
            TensorInfo(grouping_value(stage, name), dtypes.get(name, "float32"), ()) for name in OUTPUTS
        ),
        source=None,
    )


def _cut_onnx(info: EngineInfo, root: Path, stage: int, folder: Path) -> EngineInfo | str:
    import onnx

    small = _small_graph(onnx.load(root / info.files[0].path), stage)
    if isinstance(small, str):
        return small
    name = f"grouping_{stage}.onnx"
    onnx.save_model(small, folder / name)
    return _described(info, stage, folder, (name,))


def _small_graph(model: onnx.ModelProto, stage: int) -> onnx.ModelProto | str:
    """A graph with the op of a stage alone, or why there is none."""
    import onnx

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
    return small


def _cut_trt(info: EngineInfo, root: Path, stage: int, folder: Path) -> EngineInfo | str:
    """A plan cannot be cut; the op is cut out of the graph it was built from, and built the same way."""
    import onnx

    from groupvit_export.targets.tensorrt.choose import choose_flavor
    from groupvit_export.targets.tensorrt.options import TrtOptions
    from groupvit_export.targets.tensorrt.plan import build_plan

    if info.source is None or info.tensorrt is None:
        return "the bundle lacks the graph that the plan was built from"
    facts = info.tensorrt
    model = onnx.load(root / info.source.path)
    small = _small_graph(model, stage)
    if isinstance(small, str):
        return small
    inferred = onnx.shape_inference.infer_shapes(model).graph
    shapes = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim[1:])
        for value in inferred.value_info
    }
    options = TrtOptions(
        flavor=facts.flavor,
        tf32=facts.tf32,
        compute_capabilities=facts.compute_capabilities if facts.flavor == "rtx" else (),
    )
    sides = {name: shapes[grouping_value(stage, name)] for name in INPUTS}
    profiles = tuple(
        ProfileInfo(grouping_value(stage, name), *((batch, *sides[name]) for batch in (1, 1, 8)))
        for name in INPUTS
    )
    plan = build_plan(small, profiles, choose_flavor(options), options, lambda what, share, seconds: None)
    name = f"grouping_{stage}.engine"
    (folder / name).write_bytes(plan)
    own = replace(facts, profiles=profiles, stripped=False, refittable=False, version_compatible=False)
    return replace(_described(info, stage, folder, (name,)), tensorrt=own)


def _cut_torch(info: EngineInfo, root: Path, stage: int, folder: Path) -> EngineInfo | str:
    """A package cannot be cut; the op is compiled alone, the same way and in the sizes that it has there."""
    from groupvit_export.targets.aotinductor.package import build_package
    from groupvit_export.targets.aotinductor.program import Grouping
    from groupvit_runtime.engines.torch import package_facts

    facts = package_facts(info, root / info.files[0].path)
    if len(facts.grouping) < stage:
        return "the package has no grouping attention"
    sizes = facts.grouping[stage - 1]
    shapes = {
        "query": (-1, sizes.groups, sizes.channels),
        "tokens": (-1, sizes.tokens, sizes.channels),
        "bias": (-1, sizes.groups),
    }
    inputs = tuple(TensorInfo(grouping_value(stage, name), "float32", shapes[name]) for name in INPUTS)
    name = f"grouping_{stage}.pt2"
    build_package(Grouping(sizes.eps), inputs, folder / name, device=facts.device, rebuild=facts.rebuild)
    return replace(_described(info, stage, folder, (name,)), inputs=inputs)


def _cut_openvino(info: EngineInfo, root: Path, stage: int, folder: Path) -> EngineInfo | str:

    from groupvit_runtime.without_telemetry.openvino import openvino as ov

    model = ov.Core().read_model(root / info.files[0].path)
    # A result carries the names of what it is the result of.
    makers = [op for op in model.get_ops() if op.get_type_name() != "Result"]
    outputs = {name: output for op in makers for output in op.outputs() for name in output.get_names()}
    wanted = {name: grouping_value(stage, name) for name in (*INPUTS, *OUTPUTS)}
    missing = sorted(value for value in wanted.values() if value not in outputs)
    if missing:
        return f"the file has no tensors {', '.join(missing)}"
    parameters = []
    for name in INPUTS:
        parameter = ov.opset13.parameter([-1] * _RANKS[name], np.float32, name=wanted[name])
        for target in outputs[wanted[name]].get_target_inputs():
            target.replace_source_output(parameter.output(0))
        parameter.output(0).set_names({wanted[name]})
        parameters.append(parameter)
    results = [ov.opset13.result(outputs[wanted[name]]) for name in OUTPUTS]
    ov.save_model(
        ov.Model(results, parameters, f"grouping_{stage}"),
        folder / f"grouping_{stage}.xml",
        compress_to_fp16=False,
    )
    return _described(info, stage, folder, (f"grouping_{stage}.xml", f"grouping_{stage}.bin"))


_CUTS: Final[Mapping[str, Callable[[EngineInfo, Path, int, Path], EngineInfo | str]]] = MappingProxyType(
    {"onnx": _cut_onnx, "openvino": _cut_openvino, "trt": _cut_trt, "torch": _cut_torch}
)
