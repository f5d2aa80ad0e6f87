"""Target `trt`: what it offers; imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from groupvit_export.errors import EngineError
from groupvit_export.targets.base import BuildRequest, BuiltEngine, SubstituteEngine, Target
from groupvit_export.targets.inspection import Missing, ParsedGraphs
from groupvit_export.targets.requirements import TargetState, is_there, with_export
from groupvit_export.targets.tensorrt.choose import choose_flavor
from groupvit_export.targets.tensorrt.options import TrtOptions, check_values
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.engines.cuda import open_cuda
from groupvit_runtime.engines.tensorrt_flavors import FLAVORS, Flavor, is_installed
from groupvit_runtime.install_hint import install_hint
from groupvit_runtime.manifest import EngineInfo, Role

if TYPE_CHECKING:
    import onnx


class TensorRTTarget(Target[TrtOptions]):
    """A plan, and beside it the typed graph that it was built from."""

    def check(self, options: TrtOptions) -> None:
        check_values(options)

    def announce(self, options: TrtOptions) -> str | None:
        self.require()
        return choose_flavor(options).why

    def build(self, model: onnx.ModelProto, folder: Path, request: BuildRequest[TrtOptions]) -> BuiltEngine:
        from groupvit_export.targets.tensorrt.engine import build

        return build(model, folder, request)

    def cut_op(self, info: EngineInfo, root: Path, stage: int, folder: Path) -> EngineInfo | Missing:
        from groupvit_export.targets.tensorrt.cut import cut_op

        return cut_op(info, root, stage, folder)

    def parse_graphs(
        self, engines: Mapping[Role, EngineInfo], root: Path, stages: int
    ) -> ParsedGraphs | Missing | None:
        from groupvit_export.targets.tensorrt.network import parse_graphs

        plan = engines["image"].tensorrt
        return None if plan is None else parse_graphs(engines, plan, root, stages)

    def substitute(
        self, engines: Mapping[Role, EngineInfo], root: Path, scratch: Path, options: EngineOptions
    ) -> SubstituteEngine | None:
        graphs = {role: info.source for role, info in engines.items() if info.source is not None}
        if options.device is not None or len(graphs) < len(engines):
            return None
        without = _without_gpu()
        if without is None:
            return None
        from groupvit_export.targets.substitute import run_graphs

        return run_graphs(engines, graphs, root, scratch, no_gpu=without)

    def requirements(self) -> tuple[TargetState, ...]:
        without = _without_gpu()
        return tuple(self._state(flavor, without) for flavor in FLAVORS.values())

    def _state(self, flavor: Flavor, without: str | None) -> TargetState:
        installed = all(map(is_there, self.runtime.needs)) and is_installed(flavor)
        # TensorRT-RTX builds ahead of time.
        needs_gpu = flavor.name != "rtx"
        fixes = [] if installed else [install_hint(flavor.extra)]
        fixes += [] if without is None else [f"to run{' and to build' if needs_gpu else ''}: {without}"]
        runs = installed and without is None
        builds = runs or (installed and not needs_gpu)
        return with_export(f"{self.name} ({flavor.title})", self.devices[0], runs, builds, fixes)


def _without_gpu() -> str | None:
    """Why there is no GPU; None where there is one."""
    try:
        open_cuda()
    except EngineError as error:
        return error.what
    return None


TARGET: Final = TensorRTTarget(
    name="trt",
    summary="plan of TensorRT, or of TensorRT-RTX, which builds without a GPU",
    precisions=("fp32", "fp16", "bf16", "int8"),
    # int8 has to be asked for: whether it is faster depends on the GPU.
    by_rule=("fp16", "fp32"),
    Options=TrtOptions,
    typed=True,
    symmetric=True,
    no_decode_in_graph="the size of the label maps is the value of an input, which a plan would need as a "
    "shape tensor in host memory, and its runtime binds shapes only",
    no_mark_values="a plan is compiled whole, and gives its outputs only",
)
