"""Copies between host and device, timed apart: inside a call they are not seen from the host.

TensorRT queues copies and kernels together, often as one CUDA graph, and waits once. So the same bytes are
copied once more, alone, through the same kind of page-locked memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from groupvit_export.benchmark.calls import Clock
from groupvit_export.benchmark.statistics import Summary, summarize
from groupvit_runtime.engines import ENGINES
from groupvit_runtime.engines.cuda import Cuda, open_cuda
from groupvit_runtime.manifest import EngineInfo, TensorInfo

_TIMES: Final = 30
_WARM_UP: Final = 3

ON_CPU: Final = "not applicable on CPU: there is no device to copy to"

INSIDE_LIBRARY: Final = "part of the C++ library's time: not measured apart"


@dataclass(frozen=True)
class Copies:
    """Milliseconds of one call's copies, or why there are none."""

    to_device: Summary | None
    to_host: Summary | None
    reason: str | None


def measure_copies(
    info: EngineInfo,
    device: str,
    batches: Sequence[int],
    *,
    open_device: Callable[[], Cuda] = open_cuda,
    clock: Clock = time.perf_counter,
) -> Copies:
    """Time the copies of one call.

    Args:
        info: of the image engine.
        device: that it runs on, "cpu" or "cuda".
        batches: images or windows of every run of the engine in one call.
        open_device: gives the CUDA runtime.
        clock: seconds, never going back.

    Raises:
        EngineError: the device ran out of memory.
    """
    if device == "cpu":
        return Copies(None, None, ON_CPU)
    own = ENGINES[info.target].own_copies
    if own is not None:
        return Copies(None, None, f"part of the engine's time: {own}")
    cuda = open_device()
    stream = cuda.stream()
    try:
        to_device, to_host = (
            [[_bytes(tensor, batch) for tensor in tensors] for batch in batches]
            for tensors in (info.inputs, info.outputs)
        )
        return Copies(
            _timed(cuda, stream, to_device, clock, up=True),
            _timed(cuda, stream, to_host, clock, up=False),
            None,
        )
    finally:
        cuda.destroy_stream(stream)


def _bytes(tensor: TensorInfo, batch: int) -> int:
    sides = [batch if side < 0 else side for side in tensor.shape]
    return int(np.prod(sides, dtype=np.int64)) * np.dtype(tensor.dtype).itemsize


def _timed(cuda: Cuda, stream: object, runs: list[list[int]], clock: Clock, *, up: bool) -> Summary:
    largest = max(size for sizes in runs for size in sizes)
    device = cuda.allocate(largest)
    try:
        pinned, _ = cuda.pinned(largest)
        try:
            times = []
            for number in range(_WARM_UP + _TIMES):
                start = clock()
                for sizes in runs:
                    for size in sizes:
                        if up:
                            cuda.to_device(device, pinned, size, stream)
                        else:
                            cuda.to_host(pinned, device, size, stream)
                    cuda.synchronize(stream)
                if number >= _WARM_UP:
                    times.append((clock() - start) * 1000)
            return summarize(times)
        finally:
            cuda.free_pinned(pinned)
    finally:
        cuda.free(device)
