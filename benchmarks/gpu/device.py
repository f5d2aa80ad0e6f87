"""The GPU of this machine, asked of its driver: no package has to be there."""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

_MAJOR, _MINOR = 75, 76
"""`CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR` and `_MINOR`."""
_NAME_BYTES: Final = 256


@dataclass(frozen=True)
class Gpu:
    """A GPU.

    Attributes:
        name: "NVIDIA H200".
        compute_capability: "9.0".
        cuda: version of CUDA that the driver is made for, "13.0".
        driver: the driver's own version; None where there is no nvidia-smi to tell it.
    """

    name: str
    compute_capability: str
    cuda: str
    driver: str | None

    @property
    def slug(self) -> str:
        """The name as a folder has it."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-")


class NoGpuError(Exception):
    """There is none; the text says how that shows."""


def find_gpu(
    load: Callable[[str], Any] = ctypes.CDLL, driver_version: Callable[[], str | None] | None = None
) -> Gpu:
    """The first GPU that CUDA sees.

    Args:
        load: opens a shared library.
        driver_version: asks for the driver's version; None for nvidia-smi.

    Raises:
        NoGpuError: there is no driver, or it shows no GPU.
    """
    try:
        cuda = load("libcuda.so.1")
    except OSError as error:
        raise NoGpuError(f"there is no NVIDIA driver ({error})") from error

    def number(function: Callable[..., int], *arguments: Any) -> int:
        value = ctypes.c_int()
        _check(function(ctypes.byref(value), *arguments))
        return value.value

    _check(cuda.cuInit(0))
    if number(cuda.cuDeviceGetCount) == 0:
        raise NoGpuError("there is a driver, but no GPU is visible")
    name = ctypes.create_string_buffer(_NAME_BYTES)
    _check(cuda.cuDeviceGetName(name, _NAME_BYTES, 0))
    version = number(cuda.cuDriverGetVersion)
    major, minor = (number(cuda.cuDeviceGetAttribute, kind, 0) for kind in (_MAJOR, _MINOR))
    return Gpu(
        name=name.value.decode(),
        compute_capability=f"{major}.{minor}",
        cuda=f"{version // 1000}.{version % 1000 // 10}",
        driver=(driver_version or _ask_nvidia_smi)(),
    )


def _check(code: int) -> None:
    if code != 0:
        raise NoGpuError(f"the driver shows no GPU (CUDA error {code})")


def _ask_nvidia_smi() -> str | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.splitlines()[0].strip() if done.returncode == 0 and done.stdout else None
