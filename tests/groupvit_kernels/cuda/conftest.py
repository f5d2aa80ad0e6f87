"""Builds of the CUDA kernels that need no GPU: device code by nvcc, and the same code on the CPU by g++."""

from __future__ import annotations

import ctypes
import shutil
import struct
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from numpy.lib.array_utils import byte_bounds
from numpy.typing import NDArray

ROOT: Final = Path(__file__).resolve().parents[3] / "kernels" / "cuda"
ARCHITECTURES: Final = ("80", "90a", "120")
DTYPES: Final = {"float32": 0, "float16": 1, "bfloat16": 2}


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the C++ project."""
    return ROOT


@pytest.fixture(scope="session")
def tool() -> Callable[[str], str]:
    """The path of a program; the test is skipped where it is missing."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is None:
            packages = {"nm": "binutils", "nvcc": None}
            package = packages.get(name, name)
            pytest.skip(f"{name} is not on PATH" + (f": apt-get install {package}" if package else ""))
        return path

    return find


@pytest.fixture(scope="session")
def run() -> Callable[[Sequence[str | Path]], str]:
    """What a command printed; the test fails with it where the command fails."""

    def check(command: Sequence[str | Path]) -> str:
        done = subprocess.run(
            command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False
        )
        assert done.returncode == 0, f"{' '.join(map(str, command))}\n{done.stdout}"
        return done.stdout

    return check


@dataclass(frozen=True)
class Outputs:
    """What the emulation returned; the arrays are None unless the status is 0."""

    status: int
    means: Any = None
    soft: Any = None
    index: Any = None
    count: Any = None


@dataclass(frozen=True)
class Emulation:
    """The kernels' code on the CPU, under AddressSanitizer and UndefinedBehaviorSanitizer."""

    program: Path

    def __call__(
        self,
        query: NDArray[Any],
        tokens: NDArray[Any],
        bias: NDArray[Any],
        *,
        dtype: str | int,
        eps: float = 1.0,
        sizes: tuple[int, int, int, int] | None = None,
        shift: int = 0,
        backwards: bool = False,
    ) -> Outputs:
        """Run one call.

        Args:
            query, tokens, bias: elements as they lie in memory, any view; bfloat16 by its bits.
            dtype: name, or a number to be refused.
            eps: added to the counts.
            sizes: B, G, N and C, if they shall not be those of the arrays.
            shift: elements that lie in front of each input, which spoils its alignment.
            backwards: whether blocks and threads run last to first.
        """
        batch, groups, channels = query.shape
        sizes = sizes or (batch, groups, tokens.shape[1], channels)
        strides, inputs, memories = [], [], []
        for array in (query, tokens, bias):
            lowest, beyond = byte_bounds(array)
            in_front = shift * array.itemsize
            memories.append(b"\xff" * in_front + ctypes.string_at(lowest, beyond - lowest))
            inputs += [len(memories[-1]), in_front + array.__array_interface__["data"][0] - lowest]
            strides += [stride // array.itemsize for stride in array.strides]
        code = DTYPES[dtype] if isinstance(dtype, str) else dtype
        request = struct.pack("=if4q8q6qq", code, eps, *sizes, *strides, *inputs, backwards)
        done = subprocess.run(
            [self.program], input=request + b"".join(memories), capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode(errors="replace")
        (status,) = struct.unpack_from("=i", done.stdout)
        if status != 0:
            return Outputs(status)
        batch, groups, length, channels = sizes
        arrays, position = [], struct.calcsize("=i")
        for shape, kind in (
            ((batch, groups, channels), np.float32),
            ((batch, groups, length), np.float32),
            ((batch, length), np.int64),
            ((batch, groups), np.float32),
        ):
            size = int(np.prod(shape))
            arrays.append(np.frombuffer(done.stdout, kind, size, position).reshape(shape))
            position += size * np.dtype(kind).itemsize
        assert position == len(done.stdout)
        return Outputs(0, *arrays)


@pytest.fixture(scope="session")
def emulation(
    tmp_path_factory: pytest.TempPathFactory,
    tool: Callable[[str], str],
    run: Callable[[Sequence[str | Path]], str],
) -> Emulation:
    program = tmp_path_factory.mktemp("emulation") / "host_emulation"
    sanitizers = ("-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-ffp-contract=off")
    flags = ("-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", *sanitizers, "-I", ROOT / "include")
    run([tool("g++"), *flags, ROOT / "test" / "host_emulation.cpp", "-o", program])
    return Emulation(program)


@dataclass(frozen=True)
class DeviceBuild:
    """The shared library for every architecture, and what the assembler said about it."""

    library: Path
    log: str


@pytest.fixture(scope="session")
def device_build(
    tmp_path_factory: pytest.TempPathFactory,
    tool: Callable[[str], str],
    run: Callable[[Sequence[str | Path]], str],
) -> DeviceBuild:
    library = tmp_path_factory.mktemp("device") / "libgroupvit_kernels_cuda.so"
    targets = [f"-gencode=arch=compute_{arch},code=sm_{arch}" for arch in ARCHITECTURES]
    flags = (f"--options-file={ROOT / 'nvcc.options'}", "-Xptxas=-v", "--threads=2", "-shared")
    host = ("-Xcompiler=-fPIC,-fvisibility=hidden", "-I", ROOT / "include")
    sources = (ROOT / "src" / "grouping_attention.cu", ROOT / "src" / "status.cpp")
    return DeviceBuild(library, run([tool("nvcc"), *flags, *targets, *host, *sources, "-o", library]))
