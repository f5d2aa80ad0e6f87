"""The grouping attention alone, compiled as a package was compiled."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from groupvit_export.graph.naming import grouping_value
from groupvit_export.targets.aotinductor.package import build_package
from groupvit_export.targets.aotinductor.program import Grouping
from groupvit_export.targets.cut import cut_info
from groupvit_export.targets.inspection import Missing, MissingPart
from groupvit_kernels.grouping_attention_contract import INPUTS
from groupvit_runtime.engines.torch import package_facts
from groupvit_runtime.manifest import EngineInfo, TensorInfo


def cut_op(info: EngineInfo, root: Path, stage: int, folder: Path) -> EngineInfo | Missing:
    """See `Target.cut_op`. A package cannot be cut; the op is compiled in the sizes that it has there."""
    facts = package_facts(info, info.files[0].verify(root))
    if len(facts.grouping) < stage:
        return Missing(MissingPart.GROUPING_RECORD)
    sizes = facts.grouping[stage - 1]
    shapes = {
        "query": (-1, sizes.groups, sizes.channels),
        "tokens": (-1, sizes.tokens, sizes.channels),
        "bias": (-1, sizes.groups),
    }
    inputs = tuple(TensorInfo(grouping_value(stage, name), "float32", shapes[name]) for name in INPUTS)
    name = f"grouping_{stage}.pt2"
    build_package(Grouping(sizes.eps), inputs, folder / name, device=facts.device, rebuild=facts.rebuild)
    return replace(cut_info(info, stage, folder, (name,)), inputs=inputs)
