"""The graphs that engines were built from, for ONNX Runtime, in place of engines that cannot run here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import onnx

from groupvit_export.graph.half_rounding import emulate_half_rounding
from groupvit_export.targets.base import SubstituteEngine, lead_engine
from groupvit_export.targets.inspection import Substitution
from groupvit_runtime.manifest import EngineInfo, FileInfo, Role

_TARGET: Final = "onnx"


def run_graphs(
    engines: Mapping[Role, EngineInfo],
    graphs: Mapping[Role, FileInfo],
    root: Path,
    scratch: Path,
    no_gpu: str | None,
) -> SubstituteEngine:
    """Engines of ONNX Runtime on the CPU that compute what others would where they are for.

    Half precision is computed in float32 and rounded after every operator
    (`groupvit_export.graph.half_rounding`), and int8 rounds where the graph says, so the figures are those
    of the precision.

    Args:
        engines: that are replaced, by role.
        graphs: that they were built from, typed.
        root: the folder that the graphs lie in.
        scratch: where the substitutes are written.
        no_gpu: see `Substitution`.
    """
    replaced: dict[Role, EngineInfo] = {}
    for role, info in engines.items():
        name = f"stand-in-{role}.onnx"
        onnx.save_model(emulate_half_rounding(onnx.load_from_string(graphs[role].read(root))), scratch / name)
        replaced[role] = replace(
            info,
            target=_TARGET,
            # What is rounded to half is rounded in the graph, which is float32 now.
            precision="int8" if info.precision == "int8" else "fp32",
            files=(FileInfo.of(scratch, name),),
            source=None,
            tensorrt=None,
        )
    lead = lead_engine(engines)
    substitution = Substitution(lead.target, lead.precision, no_gpu)
    return SubstituteEngine(_TARGET, replaced, scratch, substitution)
