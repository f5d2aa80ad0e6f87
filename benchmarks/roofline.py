"""How close the image engines come to what this machine can do at all.

Usage: python -m benchmarks.roofline [--rounds N] [--threads N]; writes benchmarks/results/roofline.json.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.peers.material import INPUT, Material
from benchmarks.peers.prepare import prepare
from benchmarks.peers.sides import SIDES
from benchmarks.record import circumstances, write_record
from benchmarks.rounds import read_rounds
from benchmarks.timing import milliseconds
from groupvit_export.benchmark.machine import load_average
from groupvit_export.checkpoint.load import build_model, load_checkpoint
from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.passes import PASSES, apply_passes
from groupvit_runtime import Segmenter

BATCHES: Final = (1, 8)
OURS: Final = ("ours-openvino", "ours-onnxruntime")

_SIZES: Final = (512, 1024, 2048, 3072)
_REPEATS: Final = 7
_COPIED_FLOATS: Final = 1 << 26


@dataclass(frozen=True)
class Work:
    """What one run of a graph has to do.

    Attributes:
        operations: of matrix products and convolutions, a multiplication and an addition each.
        bytes_moved: weights, inputs and outputs, each once; what lies between can stay in caches.
    """

    operations: int
    bytes_moved: int


@dataclass(frozen=True)
class Ceiling:
    """What the machine can do: operations and bytes a second."""

    operations_per_s: float
    bytes_per_s: float

    def bound_s(self, work: Work) -> float:
        """Seconds that `work` takes at least."""
        return max(work.operations / self.operations_per_s, work.bytes_moved / self.bytes_per_s)


def count_work(module: torch.nn.Module, pixels: torch.Tensor) -> Work:
    """What a module has to do for one batch, as PyTorch counts it."""
    counter = FlopCounterMode(
        display=False, custom_mapping={torch.ops.groupvit.grouping_attention: _grouping_operations}
    )
    with torch.inference_mode(), counter:
        outputs = module(pixels)
    tensors = (pixels, *outputs, *module.state_dict().values())
    return Work(counter.get_total_flops(), sum(tensor.nbytes for tensor in tensors))


def _grouping_operations(query: Sequence[int], tokens: Sequence[int], *_: object, **__: object) -> int:
    """Of the logits, and of the means."""
    batch, groups, channels = query
    return 4 * batch * groups * tokens[1] * channels


def matmul_peak(dtype: torch.dtype) -> dict[str, float]:
    """The best median over sizes of torch.mm, in TFLOP/s, and the side of the matrices that reached it."""
    best = {"tflop_per_s": 0.0, "side": 0.0}
    for side in _SIZES:
        first, second = (torch.randn(side, side).to(dtype) for _ in range(2))
        result = torch.empty(side, side, dtype=dtype)
        rate = 2 * side**3 / _median_s(partial(torch.mm, first, second, out=result)) / 1e12
        if rate > best["tflop_per_s"]:
            best = {"tflop_per_s": round(rate, 4), "side": side}
    return best


def bandwidth() -> dict[str, float]:
    """Of a copy (reads and writes) and a triad (reads two, writes one), in GB/s, and the better of them."""
    first, second, third = (torch.ones(_COPIED_FLOATS) for _ in range(3))
    size = first.nbytes
    copy = 2 * size / _median_s(partial(first.copy_, second)) / 1e9
    triad = 3 * size / _median_s(partial(torch.add, second, third, alpha=3.0, out=first)) / 1e9
    return {
        "copy_gb_per_s": round(copy, 2),
        "triad_gb_per_s": round(triad, 2),
        "best_gb_per_s": round(max(copy, triad), 2),
    }


def _median_s(call: Callable[[], object]) -> float:
    call()
    times = []
    for _ in range(_REPEATS):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def bounds(work: Work, ceiling: Ceiling, medians_ms: Mapping[str, float]) -> dict[str, Any]:
    """The bound of `work`, and what share of the ceiling the engines reach, for the record.

    Args:
        work: of one call.
        ceiling: of the machine.
        medians_ms: milliseconds of one call, by side.
    """
    bound_ms = 1000 * ceiling.bound_s(work)
    compute_ms = 1000 * work.operations / ceiling.operations_per_s
    memory_ms = 1000 * work.bytes_moved / ceiling.bytes_per_s
    return {
        "gflop": round(work.operations / 1e9, 3),
        "mb": round(work.bytes_moved / 1e6, 1),
        "compute_ms": round(compute_ms, 2),
        "memory_ms": round(memory_ms, 2),
        "bound_ms": round(bound_ms, 2),
        "bound_by": "arithmetic" if compute_ms >= memory_ms else "memory",
        "engines": {
            name: {
                "title": SIDES[name].title,
                "median_ms": round(median, 2),
                "share_percent": round(100 * bound_ms / median, 1),
            }
            for name, median in medians_ms.items()
        },
    }


def main() -> None:
    arguments = read_rounds(__doc__, 30, "of every side; each one's own choice without it")
    if arguments.threads is not None:
        torch.set_num_threads(arguments.threads)
    load = load_average()
    with tempfile.TemporaryDirectory() as folder:
        material = Material(Path(folder))
        prepare(material, OURS, lambda what: None)
        engines = {
            name: Segmenter.load(material.bundle(name), threads=arguments.threads)._image for name in OURS
        }
        encoder = ImageEncoder(build_model(load_checkpoint(str(material.checkpoint))), (INPUT, INPUT))
        apply_passes(encoder, tuple(PASSES))
        works = {batch: count_work(encoder, torch.zeros(batch, 3, INPUT, INPUT)) for batch in BATCHES}
        times = {}
        for batch in BATCHES:
            pixels = np.random.default_rng(0).normal(size=(batch, 3, INPUT, INPUT)).astype(np.float32)
            calls = {name: partial(engine.run, pixels) for name, engine in engines.items()}
            times[batch] = milliseconds(calls, arguments.rounds)
    peaks = {name: matmul_peak(getattr(torch, name)) for name in ("float32", "bfloat16")}
    memory = bandwidth()
    ceiling = Ceiling(peaks["float32"]["tflop_per_s"] * 1e12, memory["best_gb_per_s"] * 1e9)
    record = {
        **circumstances(load, rounds=arguments.rounds, threads=arguments.threads, repeats=_REPEATS),
        "peak": peaks,
        "memory": memory,
        "image_encoder": {
            str(batch): bounds(
                works[batch],
                ceiling,
                {name: statistics.median(values) for name, values in times[batch].items()},
            )
            for batch in BATCHES
        },
    }
    write_record("roofline", record)


if __name__ == "__main__":
    main()
