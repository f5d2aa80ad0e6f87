"""Target `openvino`: what it offers; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from numpy.typing import NDArray

from groupvit_export.targets.base import BuildRequest, BuiltEngine, MarkedEngine, Target
from groupvit_export.targets.inspection import Missing
from groupvit_export.targets.options import TargetOptions
from groupvit_export.targets.requirements import TargetState, state_on_cpu
from groupvit_runtime.manifest import EngineInfo

if TYPE_CHECKING:
    import onnx


class OpenVINOTarget(Target[TargetOptions]):
    """OpenVINO's intermediate representation."""

    def build(
        self, model: onnx.ModelProto, folder: Path, request: BuildRequest[TargetOptions]
    ) -> BuiltEngine:
        from groupvit_export.targets.openvino.engine import build

        return build(model, folder, request)

    def cut_op(self, info: EngineInfo, root: Path, stage: int, folder: Path) -> EngineInfo | Missing:
        from groupvit_export.targets.openvino.inside import cut_op

        return cut_op(info, root, stage, folder)

    def mark_values(self, path: Path, feeds: Mapping[str, NDArray[Any]]) -> MarkedEngine:
        from groupvit_export.targets.openvino.inside import mark_values

        return mark_values(path, feeds)

    def requirements(self) -> tuple[TargetState, ...]:
        return (state_on_cpu(self.name),)


TARGET: Final = OpenVINOTarget(
    name="openvino",
    summary="OpenVINO IR, executed by OpenVINO on CPU; bf16 where the CPU has it",
    precisions=("fp32", "bf16", "int8"),
    Options=TargetOptions,
    weight_bits=7,
)
