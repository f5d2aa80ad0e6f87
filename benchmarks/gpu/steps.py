"""The steps of `make gpu`, the most valuable first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

NOT_RUN: Final = 77
"""Exit code of a step that finds it cannot be run here; its last row says why."""

BUDGET_S: Final = 540
"""Of all steps together."""


@dataclass(frozen=True)
class Step:
    """One program, in a process of its own.

    It writes what it found to standard output, a JSON object a line, and everything else to standard error.
    The row with the key `summary` is what the table shows. What it wrote is kept, however it ends.

    Attributes:
        name: of its result and its log.
        title: what it does.
        command: arguments of the Python that runs it.
        limit_s: it is ended after so many seconds.
        least_s: it is not started with less than this left of all.
        packages: that have to be installed, with the oldest version where there is one: "torch>=2.13".
        programs: that have to be on PATH.
        after: steps that have to have passed.
    """

    name: str
    title: str
    command: tuple[str, ...]
    limit_s: float
    least_s: float
    packages: tuple[str, ...] = ()
    programs: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def _of(module: str, *arguments: str) -> tuple[str, ...]:
    return ("-m", f"benchmarks.{module}", *arguments)


_EXPORTS: Final = ("torch", "onnx", "onnxscript", "ml_dtypes", "numpy", "pillow", "tokenizers", "safetensors")
_TESTS: Final = (*_EXPORTS, "triton", "pytest", "pytest-xdist", "hypothesis", "onnxruntime|onnxruntime-gpu")

STEPS: Final = (
    Step(
        name="triton-tests",
        title="Triton kernels on the GPU against the float64 reference",
        command=_of("gpu.triton_tests"),
        limit_s=110,
        least_s=30,
        packages=_TESTS,
    ),
    Step(
        name="cuda-check",
        title="CUDA kernels: built, and on the GPU against their own code on the CPU, to the bit",
        command=_of("gpu.cuda_kernels", "check"),
        limit_s=60,
        least_s=20,
        programs=("cmake", "nvcc"),
    ),
    Step(
        name="kernels",
        title="Triton, CUDA and eager PyTorch: the same results, and how fast",
        command=_of("grouping_attention", "--tested", "--sides", "triton,cuda,eager", "--batches", "1,64"),
        limit_s=80,
        least_s=30,
        packages=_TESTS,
        programs=("cmake", "nvcc"),
        after=("triton-tests", "cuda-check"),
    ),
    Step(
        name="sanitizer",
        title="CUDA kernels under memcheck, racecheck, initcheck and synccheck",
        command=_of("gpu.cuda_kernels", "sanitize"),
        limit_s=50,
        least_s=20,
        programs=("cmake", "nvcc", "compute-sanitizer"),
    ),
    Step(
        name="tensorrt",
        title="TensorRT engines: loaded, verified, timed",
        command=_of("gpu.engines", "trt"),
        limit_s=140,
        least_s=30,
        packages=(*_EXPORTS, "tensorrt|tensorrt-rtx", "cuda-bindings", "platformdirs"),
    ),
    Step(
        name="onnxruntime",
        title="ONNX Runtime by CUDA: verified, timed, with the custom operator too",
        command=_of("gpu.engines", "onnx"),
        limit_s=100,
        least_s=30,
        packages=(*_EXPORTS, "onnxruntime-gpu"),
    ),
    Step(
        name="aotinductor",
        title="AOTInductor packages for CUDA: compiled, verified, timed",
        command=_of("gpu.engines", "torch"),
        limit_s=150,
        least_s=45,
        packages=(*_EXPORTS, "torch>=2.13", "triton"),
        programs=("g++",),
    ),
    Step(
        name="triton-grid",
        title="Triton kernels on the GPU: the full grid of shapes",
        command=_of("gpu.triton_tests", "--slow"),
        limit_s=240,
        least_s=60,
        packages=_TESTS,
        after=("triton-tests",),
    ),
)
"""All but the last two fit into BUDGET_S even where each needs its `limit_s`; those have what is left."""
