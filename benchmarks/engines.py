"""Engines of graphs that no export wrote, as a backend of a verification."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import onnx
import torch

from groupvit_export.build.engines import EngineBuilder
from groupvit_export.graph.precision import TypedGraph
from groupvit_export.targets.options import TargetOptions
from groupvit_export.targets.registry import TARGETS
from groupvit_export.verification.backends import Backend
from groupvit_export.verification.engines import load_backend
from groupvit_export.verification.specification import VerificationSpec
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.manifest import Role


def backend_of(
    name: str, graphs: Mapping[Role, onnx.ModelProto], target: str, folder: Path, subject: VerificationSpec
) -> Backend:
    """Build and load engines of `onnx` or `openvino`, which look at graphs alone; `folder` is made."""
    folder.mkdir(parents=True)
    modules = dict.fromkeys(graphs, torch.nn.Identity())
    builder = EngineBuilder(TARGETS[target], TargetOptions(), modules, 32, None, "", lambda *_: None)
    infos = [builder.engine(role, "fp32", TypedGraph(graph, {}), folder) for role, graph in graphs.items()]
    return load_backend(name, infos, folder, subject=subject, scratch=folder, options=EngineOptions())
