"""What an export, a verification and the engines of a target need to have installed; imports none of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from groupvit_runtime.engines import ENGINES
from groupvit_runtime.install_hint import install_hint

GRAPH_PACKAGES: Final = ("torch", "onnx")
"""Modules that graphs are captured with."""

EXPORT_PACKAGES: Final = (*GRAPH_PACKAGES, "onnxscript")
"""Modules that every export needs."""

VERIFY_PACKAGES: Final = (*GRAPH_PACKAGES, "onnxruntime")
"""Modules that every verification needs."""

INT8_PACKAGES: Final = ("nncf", "onnxruntime")
"""Modules that int8 needs besides."""

DOWNLOAD_PACKAGE: Final = "huggingface_hub"
"""The module that downloads checkpoints."""


@dataclass(frozen=True)
class TargetState:
    """What one target can do here on one device; `fix` is empty where nothing is missing."""

    target: str
    device: str
    run: bool
    export: bool
    fix: str


def is_there(module: str) -> bool:
    """Whether a module is installed; it is not imported."""
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        # The parent package is missing.
        return False


def state_on_cpu(target: str) -> TargetState:
    """Of a target that runs on the CPU where its package is installed."""
    kind = ENGINES[target]
    runs = all(map(is_there, kind.needs))
    fixes = () if runs else (install_hint(kind.extra),)
    return with_export(target, "cpu", runs, runs, fixes)


def state_on_gpu(target: str, sees_gpu: Callable[[], bool], package: str) -> TargetState:
    """Of a target that builds anywhere and runs on a GPU.

    Args:
        target: its name.
        sees_gpu: whether its package, which is installed, can use one.
        package: what does, in words.
    """
    builds = all(map(is_there, ENGINES[target].needs))
    runs = builds and sees_gpu()
    fixes = () if runs else (f"on a machine with an NVIDIA GPU: {package}",)
    return with_export(target, "cuda", runs, builds, fixes)


def with_export(target: str, device: str, runs: bool, builds: bool, fixes: Sequence[str]) -> TargetState:
    """A state that asks also for what every export needs."""
    if not all(map(is_there, (*EXPORT_PACKAGES, DOWNLOAD_PACKAGE))):
        builds, fixes = False, (*fixes, f"to export: {install_hint('export')}")
    return TargetState(target, device, runs, builds, "; ".join(fixes))
