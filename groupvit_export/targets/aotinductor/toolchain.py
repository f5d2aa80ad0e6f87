"""What compiling a package needs from the machine, asked for before anything is loaded."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import version
from typing import Final

from groupvit_export.errors import EngineError, MissingDependencyError
from groupvit_runtime.install_hint import install_hint

_OLDEST: Final = (2, 13)
_COMPILERS: Final = {"darwin": "clang++", "win32": "cl"}


def check_toolchain(device: str) -> None:
    """Refuse where a package for `device` cannot be compiled; imports PyTorch for "cuda" only.

    Raises:
        MissingDependencyError: PyTorch is too old, or there is no C++ compiler.
        EngineError: there is no GPU.
    """
    installed = version("torch")
    if tuple(int(number) for number in re.findall(r"\d+", installed)[:2]) < _OLDEST:
        raise MissingDependencyError(
            "the target torch needs a newer PyTorch",
            got=f"torch {installed}",
            expected=f"torch {_OLDEST[0]}.{_OLDEST[1]} or newer",
            fix=install_hint("export", "torch"),
        )
    if not has_compiler():
        raise MissingDependencyError(
            "the target torch compiles C++, and there is no compiler",
            got=f"no program {compiler_name()}",
            expected="a C++20 compiler",
            fix="apt install g++ (Debian, Ubuntu), dnf install gcc-c++ (Fedora), xcode-select --install "
            "(macOS), or set CXX to one",
        )
    if device == "cuda":
        _check_gpu()


def compiler_name() -> str:
    """The compiler that Inductor will call: `CXX`, or the system's usual one."""
    return os.environ.get("CXX", _COMPILERS.get(sys.platform, "g++"))


def has_compiler() -> bool:
    """Whether that compiler is installed."""
    return shutil.which(compiler_name()) is not None


def compiler_version() -> str:
    """What the compiler says about itself, on one line."""
    done = subprocess.run([compiler_name(), "--version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0]


def _check_gpu() -> None:
    import torch

    if not torch.cuda.is_available():
        raise EngineError(
            "a package for CUDA is compiled on the kind of GPU that it will run on",
            got=f"PyTorch {torch.__version__} sees no GPU",
            expected="torch.cuda.is_available()",
            fix="export on a machine with an NVIDIA GPU and PyTorch for CUDA, or --device cpu",
        )
