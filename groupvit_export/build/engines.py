"""Engines of one target, in any precision and any folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from groupvit_export.build.clock import ProgressReport
from groupvit_export.build.graphs import Graphs
from groupvit_export.build.manifest_parts import engine_info
from groupvit_export.graph.precision import TypedGraph
from groupvit_export.targets.base import BuildRequest, Target
from groupvit_export.targets.options import TargetOptions
from groupvit_runtime.manifest import DecodeName, EngineInfo, QuantizationInfo, Role


@dataclass(frozen=True, eq=False)
class Engines:
    """A whole model in one precision.

    Attributes:
        precision: of the image engine; the text engine of int8 is float32.
        image, text: the engines.
        root: the folder that both lie in.
    """

    precision: str
    image: EngineInfo
    text: EngineInfo
    root: Path

    @property
    def both(self) -> tuple[EngineInfo, EngineInfo]:
        """As a manifest lists them."""
        return self.image, self.text


@dataclass(frozen=True, eq=False)
class EngineBuilder:
    """Builds for one target.

    Attributes:
        target: that engines are built for.
        options: of the target.
        modules: by role, what the graphs were captured from.
        text_max_length: most tokens of a sentence.
        normalizes: the decode as which the image engine normalizes pixels; None where it does not.
        rebuild: the command that makes the bundle anew.
        report: told how far a long step is.
    """

    target: Target[Any]
    options: TargetOptions
    modules: Mapping[Role, torch.nn.Module]
    text_max_length: int
    normalizes: DecodeName | None
    rebuild: str
    report: ProgressReport

    def engine(
        self,
        role: Role,
        precision: str,
        graph: TypedGraph,
        folder: Path,
        quantization: QuantizationInfo | None = None,
    ) -> EngineInfo:
        """Build one engine.

        Args:
            role: of the engine.
            precision: of the graph, or that the target is to compute it in.
            graph: what is built.
            folder: where the files are written.
            quantization: of int8.

        Raises:
            GroupViTError: the target cannot.
        """
        request = BuildRequest(
            role=role,
            precision=precision,
            module=self.modules[role],
            text_max_length=self.text_max_length,
            options=self.options,
            rebuild=self.rebuild,
            report=self.report,
        )
        built = self.target.build(graph.model, folder, request)
        return engine_info(
            graph.model,
            folder,
            role=role,
            target=self.target.engine_name,
            precision=precision,
            files=built.files,
            versions=built.versions,
            hardware=built.hardware,
            source=built.source,
            tensorrt=built.tensorrt,
            inputs=built.inputs,
            outputs=built.outputs,
            normalizes=self.normalizes if role == "image" else None,
            quantization=quantization,
        )

    def float32(self, graphs: Graphs, folder: Path) -> Engines:
        """The same model in float32.

        Args:
            graphs: of the model.
            folder: where the files are written; it is made.
        """
        folder.mkdir()
        image, text = (self.engine(role, "fp32", graphs.float32[role], folder) for role in ("image", "text"))
        return Engines("fp32", image, text, folder)
