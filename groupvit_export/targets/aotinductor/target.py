"""Target `torch`: what it offers; imports nothing heavy."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from groupvit_export.targets.aotinductor.options import TorchOptions
from groupvit_export.targets.aotinductor.toolchain import check_toolchain, compiler_name, has_compiler
from groupvit_export.targets.base import BuildRequest, BuiltEngine, Target
from groupvit_export.targets.inspection import Missing
from groupvit_export.targets.options import one_of
from groupvit_export.targets.requirements import TargetState, state_on_cpu, state_on_gpu
from groupvit_runtime.manifest import EngineInfo

if TYPE_CHECKING:
    import onnx

_GPU_PACKAGE: Final = "PyTorch for CUDA, see https://pytorch.org/get-started/locally"


class AOTInductorTarget(Target[TorchOptions]):
    """Packages of AOTInductor, for Python and for C++ with libtorch."""

    def check(self, options: TorchOptions) -> None:
        one_of("device", options.device, self.devices)

    def announce(self, options: TorchOptions) -> str | None:
        self.require()
        check_toolchain(options.device)
        return None

    def build(self, model: onnx.ModelProto, folder: Path, request: BuildRequest[TorchOptions]) -> BuiltEngine:
        from groupvit_export.targets.aotinductor.engine import build

        return build(model, folder, request)

    def cut_op(self, info: EngineInfo, root: Path, stage: int, folder: Path) -> EngineInfo | Missing:
        from groupvit_export.targets.aotinductor.cut import cut_op

        return cut_op(info, root, stage, folder)

    def requirements(self) -> tuple[TargetState, ...]:
        states = (state_on_cpu(self.name), state_on_gpu(self.name, _sees_gpu, _GPU_PACKAGE))
        return tuple(map(_with_compiler, states))


def _with_compiler(state: TargetState) -> TargetState:
    """A package is compiled for the device that is here, and by a compiler."""
    state = replace(state, export=state.export and state.run)
    if has_compiler():
        return state
    fix = f"to export: a C++ compiler, {compiler_name()} or CXX"
    return replace(state, export=False, fix="; ".join(filter(None, (state.fix, fix))))


def _sees_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


TARGET: Final = AOTInductorTarget(
    name="torch",
    summary="package of AOTInductor, executed by PyTorch or libtorch on CPU or CUDA",
    precisions=("fp32",),
    Options=TorchOptions,
    no_decode_in_graph="the sizes of a package's outputs follow from the sizes of its inputs, and the size "
    "of the label maps is the value of one",
    no_mark_values="a package is compiled code, and gives its outputs only",
)
