"""Target `onnx`: what it offers; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from numpy.typing import NDArray

from groupvit_export.targets.base import (
    BuildRequest,
    BuiltEngine,
    MarkedEngine,
    SubstituteEngine,
    Target,
    lead_engine,
)
from groupvit_export.targets.inspection import Missing
from groupvit_export.targets.options import TargetOptions
from groupvit_export.targets.requirements import TargetState, state_on_cpu, state_on_gpu
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.install_hint import onnxruntime_gpu_hint
from groupvit_runtime.manifest import EngineInfo, Role

if TYPE_CHECKING:
    import onnx


_GPU_ONLY: Final = ("fp16", "bf16")
"""Precisions that ONNX Runtime does not compute in on a CPU."""


class OnnxTarget(Target[TargetOptions]):
    """The typed graph itself, executed by ONNX Runtime."""

    def build(
        self, model: onnx.ModelProto, folder: Path, request: BuildRequest[TargetOptions]
    ) -> BuiltEngine:
        from groupvit_export.targets.onnx.engine import build

        return build(model, folder, request)

    def cut_op(self, info: EngineInfo, root: Path, stage: int, folder: Path) -> EngineInfo | Missing:
        from groupvit_export.targets.onnx.engine import cut_op

        return cut_op(info, root, stage, folder)

    def mark_values(self, path: Path, feeds: Mapping[str, NDArray[Any]]) -> MarkedEngine:
        from groupvit_export.targets.onnx.marking import mark_values

        return mark_values(path, feeds)

    def substitute(
        self, engines: Mapping[Role, EngineInfo], root: Path, scratch: Path, options: EngineOptions
    ) -> SubstituteEngine | None:
        lead = lead_engine(engines)
        # Left to itself ONNX Runtime takes the CPU, which has next to no half precision.
        if options.device is not None or lead.precision not in _GPU_ONLY:
            return None
        from groupvit_export.targets.substitute import run_graphs

        graphs = {role: info.files[0] for role, info in engines.items()}
        return run_graphs(engines, graphs, root, scratch, no_gpu=None)

    def requirements(self) -> tuple[TargetState, ...]:
        gpu_package = onnxruntime_gpu_hint()
        return (state_on_cpu(self.name), state_on_gpu(self.name, _has_cuda_provider, gpu_package))


def _has_cuda_provider() -> bool:
    from groupvit_runtime.without_telemetry.onnxruntime import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


TARGET: Final = OnnxTarget(
    name="onnx",
    summary="ONNX file, executed by ONNX Runtime on CPU or CUDA; bf16 on CUDA only",
    precisions=("fp32", "w16", "fp16", "bf16", "int8"),
    Options=TargetOptions,
    typed=True,
    weight_bits=7,
)
