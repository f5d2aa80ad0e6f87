"""`groupvit doctor`."""

from __future__ import annotations

import platform
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from groupvit_export.benchmark.machine import this_machine
from groupvit_export.cli.options import Json, Quiet, VerbArguments
from groupvit_export.cli.output import print_json
from groupvit_export.cli.tables import show, table
from groupvit_export.errors import EngineError
from groupvit_export.targets.registry import TARGETS
from groupvit_export.targets.requirements import DOWNLOAD_PACKAGE, EXPORT_PACKAGES
from groupvit_runtime.engines import ENGINES
from groupvit_runtime.engines.cuda import DeviceInfo, open_cuda
from groupvit_runtime.processors import cpu_quota

_PACKAGES: Final = (
    *("groupvit-export", "groupvit-runtime", "numpy", "pillow", "tokenizers", "safetensors"),
    *(*EXPORT_PACKAGES, DOWNLOAD_PACKAGE),
    *(package for kind in ENGINES.values() for package in kind.packages),
)
_VECTOR_FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8", "asimd", "bf16")


@dataclass(frozen=True, kw_only=True)
class Arguments(VerbArguments):
    """Options of `groupvit doctor`."""

    as_json: Json = False
    quiet: Quiet = False


def run(arguments: Arguments) -> int:
    versions = {name: _version(name) for name in _PACKAGES}
    states = [state for target in TARGETS.values() for state in target.requirements()]
    gpu = _gpu()
    facts, quota = this_machine(), cpu_quota()
    machine = {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": " ".join(flag for flag in _VECTOR_FLAGS if flag in facts.flags),
        "cores": facts.cores,
        "usable_cores": facts.usable_cores,
        "cpu_quota": quota,
        "gpu": gpu
        if isinstance(gpu, str)
        else f"{gpu.name}, compute capability {gpu.compute_capability}, driver for CUDA {gpu.driver}",
    }
    if arguments.as_json:
        print_json({"machine": machine, "versions": versions, "targets": [asdict(state) for state in states]})
        return 0
    if arguments.quiet:
        states = [state for state in states if not (state.run and state.export)]
    rows = [[s.target, s.device, _yes(s.run), _yes(s.export), s.fix] for s in states]
    missing = table(["target", "device", "runs here", "exports here", "what is missing"], rows)
    if arguments.quiet:
        show([missing] if rows else [])
        return 0
    show(
        [
            f"Python {machine['python']} on {machine['system']}; "
            f"CPU with {machine['cpu'] or 'no vector extensions that are known here'}, "
            f"{facts.usable_cores} of {facts.cores} cores usable"
            f"{'' if quota is None else f' (quota of the container: {quota:g})'}; GPU: {machine['gpu']}",
            table(["package", "version"], [[name, found or "-"] for name, found in versions.items()]),
            "",
            missing,
        ]
    )
    return 0


def _gpu() -> DeviceInfo | str:
    """The GPU, or why there is none."""
    try:
        return open_cuda().device
    except EngineError as error:
        return error.what


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _yes(value: bool) -> str:
    return "yes" if value else "no"
