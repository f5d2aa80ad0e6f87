"""How an extra of the toolkit is installed, as every message says it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Final

INSTALL: Final = "pip install ./runtimes/python '.[{extras}]' in a clone of groupvit-export"
"""No package index has the two distributions: what works is their source, both in one command."""


def onnxruntime_gpu_hint() -> str:
    """How to get ONNX Runtime for CUDA: its two packages overwrite each other's files, so one goes first."""
    hint = install_hint("onnxruntime-gpu")
    try:
        version("onnxruntime")
    except PackageNotFoundError:
        return hint
    return f"pip uninstall onnxruntime, which is for CPUs and shares its files, then {hint}"


def install_hint(*extras: str) -> str:
    """The command that installs some extras: "pip install ./runtimes/python '.[torch]' in a clone ..."."""
    return INSTALL.format(extras=",".join(extras))
