"""What is run in place of an engine whose hardware is not here, and when that may be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final

import onnx

from groupvit_export.errors import EngineError
from groupvit_export.graph.half_rounding import emulate_half_rounding
from groupvit_export.graph.precision import HALVES
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.engines.cuda import open_cuda
from groupvit_runtime.manifest import EngineInfo, FileInfo, Role

_ON_CPU: Final[Mapping[str, str]] = MappingProxyType(
    {"fp16": "computes fp16 in float32", "bf16": "cannot compute in bf16"}
)


@dataclass(frozen=True)
class SubstituteEngine:
    """Engines in place of others.

    Attributes:
        engines: by role, of the target `onnx`.
        root: where their files lie.
        words: what was not run, and why.
    """

    engines: Mapping[Role, EngineInfo]
    root: Path
    words: str


def find_substitute_engine(
    engines: Mapping[Role, EngineInfo], root: Path, scratch: Path, options: EngineOptions
) -> SubstituteEngine | None:
    """The graphs that the engines were built from, for ONNX Runtime, where the engines cannot run here as
    they will elsewhere.

    Half precision is computed in float32 and rounded after every operator
    (`groupvit_export.graph.half_rounding`), and int8 rounds where the graph says, so the figures are those
    of the precision.

    Args:
        engines: by role; one alone will do.
        root: the bundle's folder.
        scratch: where the graphs are written.
        options: a device that is asked for by name is never replaced.

    Returns:
        None where the engines themselves can be run, or must be.
    """
    # The text engine of an int8 bundle is float32.
    lead = engines["image"] if "image" in engines else engines["text"]
    graphs = {role: _graph(info) for role, info in engines.items()}
    why = None if options.device is not None or None in graphs.values() else _why_not_run(lead)
    if why is None:
        return None
    replaced: dict[Role, EngineInfo] = {}
    for role, info in engines.items():
        graph = graphs[role]
        assert graph is not None
        name = f"stand-in-{role}.onnx"
        onnx.save_model(emulate_half_rounding(onnx.load(graph.verify(root))), scratch / name)
        replaced[role] = replace(
            info,
            target="onnx",
            # What is rounded to half is rounded in the graph, which is float32 now.
            precision="int8" if info.precision == "int8" else "fp32",
            files=(FileInfo.of(scratch, name),),
            source=None,
            tensorrt=None,
        )
    words = (
        f"the {lead.target} engine itself was not run: {why}. In its place ONNX Runtime computed the graph "
        f"that it was built from" + ("" if lead.precision == "fp32" else f", rounded as {lead.precision}")
    )
    return SubstituteEngine(replaced, scratch, words)


def _graph(info: EngineInfo) -> FileInfo | None:
    return info.files[0] if info.target == "onnx" else info.source


def _why_not_run(engine: EngineInfo) -> str | None:
    """Why the engine cannot show here what it will do where it is for; None where it can."""
    if engine.target == "trt":
        return _without_gpu()
    # Left to itself ONNX Runtime takes the CPU, which has next to no half precision.
    if engine.target == "onnx" and engine.precision in HALVES:
        return f"it is for CUDA; on a CPU ONNX Runtime {_ON_CPU[engine.precision]}"
    return None


def _without_gpu() -> str | None:
    try:
        open_cuda()
    except EngineError as error:
        return error.what
    return None
