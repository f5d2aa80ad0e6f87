"""The grouping attention alone, built as a plan was built."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import onnx

from groupvit_export.graph.isolate import isolate_grouping
from groupvit_export.graph.naming import grouping_value
from groupvit_export.targets.cut import cut_info
from groupvit_export.targets.inspection import Missing, MissingPart
from groupvit_export.targets.tensorrt.choose import choose_flavor
from groupvit_export.targets.tensorrt.options import TrtOptions
from groupvit_export.targets.tensorrt.plan import build_plan
from groupvit_kernels.grouping_attention_contract import INPUTS
from groupvit_runtime.manifest import EngineInfo, ProfileInfo


def cut_op(info: EngineInfo, root: Path, stage: int, folder: Path) -> EngineInfo | Missing:
    """See `Target.cut_op`. A plan cannot be cut; the op is cut out of the graph it was built from."""
    if info.source is None or info.tensorrt is None:
        return Missing(MissingPart.SOURCE_GRAPH)
    facts = info.tensorrt
    model = onnx.load(root / info.source.path)
    small = isolate_grouping(model, stage)
    if small is None:
        return Missing(MissingPart.GROUPING_NODE)
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
    return replace(cut_info(info, stage, folder, (name,)), tensorrt=own)
