"""`groupvit doctor`."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from types import MappingProxyType
from typing import Final

from groupvit_export.benchmark.machine import this_machine
from groupvit_export.cli.output import print_json, table
from groupvit_export.errors import EngineError
from groupvit_export.targets.aotinductor.toolchain import compiler_name, has_compiler
from groupvit_export.targets.registry import TARGETS
from groupvit_runtime.engines import ENGINES
from groupvit_runtime.engines.cuda import DeviceInfo, open_cuda
from groupvit_runtime.engines.tensorrt_flavors import FLAVORS, Flavor, is_installed
from groupvit_runtime.install_hint import install_hint

_EXPORT_PACKAGES = ("torch", "onnx", "onnxscript", "huggingface_hub")
_ENGINE_PACKAGES = (
    "onnxruntime",
    "onnxruntime-gpu",
    "openvino",
    "tensorrt",
    "tensorrt-rtx",
    "cuda-bindings",
)
_VECTOR_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16")


@dataclass(frozen=True)
class TargetState:
    """What one target can do here on one device; `fix` is empty where nothing is missing."""

    target: str
    device: str
    run: bool
    export: bool
    fix: str


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON")


def run(arguments: argparse.Namespace) -> int:
    versions = {
        name: _version(name) for name in ("groupvit-export", "numpy", "pillow", "tokenizers", "safetensors")
    }
    versions |= {name: _version(name) for name in (*_EXPORT_PACKAGES, *_ENGINE_PACKAGES)}
    states = _states()
    gpu = _gpu()
    machine = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu_flags(),
        "gpu": gpu
        if isinstance(gpu, str)
        else f"{gpu.name}, compute capability {gpu.compute_capability}, driver for CUDA {gpu.driver}",
    }
    if arguments.json:
        print_json({"machine": machine, "versions": versions, "targets": [asdict(state) for state in states]})
        return 0
    print(
        f"Python {machine['python']} on {machine['system']}; "
        f"CPU with {machine['cpu'] or 'no vector extensions that are known here'}; GPU: {machine['gpu']}"
    )
    print(table(["package", "version"], [[name, found or "-"] for name, found in versions.items()]))
    print()
    rows = [[s.target, s.device, _yes(s.run), _yes(s.export), s.fix] for s in states]
    print(table(["target", "device", "runs here", "exports here", "what is missing"], rows))
    return 0


def _states() -> list[TargetState]:
    states = [
        _state(target, device) for target in TARGETS for device in ENGINES[target].devices if target != "trt"
    ]
    return states + [_trt_state(flavor) for flavor in FLAVORS.values()]


def _state(target: str, device: str) -> TargetState:
    kind = ENGINES[target]
    runs = builds = all(_is_there(module) for module in kind.needs)
    fixes = []
    if device == "cuda":
        sees_gpu, package = _ON_GPU[target]
        runs = runs and sees_gpu()
        fixes += [] if runs else [f"on a machine with an NVIDIA GPU: {package}"]
    elif not runs:
        fixes.append(install_hint(kind.extra))
    if target == "torch":
        builds = runs and has_compiler()
        fixes += [] if has_compiler() else [f"to export: a C++ compiler, {compiler_name()} or CXX"]
    return _with_export(target, device, runs, builds, fixes)


def _trt_state(flavor: Flavor) -> TargetState:
    installed = all(_is_there(module) for module in ENGINES["trt"].needs) and is_installed(flavor)
    gpu = _gpu()
    fixes = [] if installed else [install_hint(flavor.extra)]
    if isinstance(gpu, str):
        fixes.append(f"to run{'' if flavor.name == 'rtx' else ' and to build'}: {gpu}")
    has_gpu = not isinstance(gpu, str)
    builds = installed and (has_gpu or flavor.name == "rtx")
    return _with_export(f"trt ({flavor.title})", "cuda", installed and has_gpu, builds, fixes)


def _with_export(target: str, device: str, runs: bool, builds: bool, fixes: list[str]) -> TargetState:
    missing = [name for name in _EXPORT_PACKAGES if find_spec(name) is None]
    if missing:
        fixes = [*fixes, f"to export: {install_hint('export')}"]
    return TargetState(target, device, runs, builds and not missing, "; ".join(fixes))


def _gpu() -> DeviceInfo | str:
    """The GPU, or why there is none."""
    try:
        return open_cuda().device
    except EngineError as error:
        return error.what


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        # The parent package is missing.
        return False


def _has_cuda_provider() -> bool:
    from groupvit_runtime.without_telemetry.onnxruntime import onnxruntime

    return "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def _torch_sees_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


_ON_GPU: Final[Mapping[str, tuple[Callable[[], bool], str]]] = MappingProxyType(
    {
        "onnx": (_has_cuda_provider, install_hint("onnxruntime-gpu")),
        "torch": (_torch_sees_gpu, "PyTorch for CUDA, see https://pytorch.org/get-started/locally"),
    }
)
"""By target: how to find out whether its package can use a GPU, and what does."""


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_flags() -> str:
    present = this_machine().flags
    return " ".join(flag for flag in _VECTOR_FLAGS if flag in present)


def _yes(value: bool) -> str:
    return "yes" if value else "no"
