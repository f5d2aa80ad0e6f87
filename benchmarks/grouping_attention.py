"""The grouping attention on a GPU: Triton kernels, eager PyTorch, torch.compile, and what bandwidth allows.

Usage: python -m benchmarks.grouping_attention [--rounds N]
Writes benchmarks/results/gpu-kernels-DEVICE.json.

Refuses without a GPU, and while a test of the op fails: a wrong kernel has no speed. The three sides take
turns, call by call, as CUDA graphs, so that no side is charged for Python; inputs rotate, so that what is
measured is memory and not the cache.
"""

from __future__ import annotations

import argparse
import itertools
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.record import machine, write_record
from benchmarks.timing import Timing, ratio
from groupvit_kernels import grouping_attention_torch

ROOT = Path(__file__).parent.parent
CHANNELS = 384
EPS = 1.0
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
_TESTS = (
    "tests/groupvit_kernels/test_grouping_attention_triton.py",
    "tests/groupvit_kernels/test_grouping_attention_gradients.py",
)
_CACHE_BYTES = 256 << 20
"""More than any GPU's second-level cache: so many bytes of inputs are rotated."""


@dataclass(frozen=True)
class Point:
    """One problem: batch, tokens, groups, dtype."""

    batch: int
    length: int
    groups: int
    dtype: str

    @property
    def bytes(self) -> int:
        """What must move: every input once, every output once."""
        size = DTYPES[self.dtype].itemsize
        inputs = self.length * CHANNELS + self.groups * CHANNELS + self.groups
        outputs = 4 * self.groups * (CHANNELS + self.length + 1) + 8 * self.length
        return self.batch * (size * inputs + outputs)


def points() -> Iterator[Point]:
    """The grid."""
    for dtype, batch, length, groups in itertools.product(DTYPES, (1, 8, 64, 256), (196, 784, 3136), (8, 64)):
        yield Point(batch, length, groups, dtype)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rounds", type=int, default=50)
    rounds: int = parser.parse_args().rounds
    if not torch.cuda.is_available():
        print("nothing was measured: PyTorch sees no GPU", file=sys.stderr)
        return 1
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", *_TESTS], cwd=ROOT)
    if done.returncode != 0:
        print("nothing was measured: the op's tests fail", file=sys.stderr)
        return 1
    device = torch.cuda.get_device_name()
    bandwidth = _copy_bandwidth()
    report: dict[str, Any] = {
        "machine": machine(),
        "device": device,
        "cuda": torch.version.cuda,
        "copy_gb_per_s": round(bandwidth / 1e9, 1),
        "points": [],
    }
    compiled = torch.compile(
        grouping_attention_torch.plain_forward, mode="max-autotune-no-cudagraphs", dynamic=False
    )
    for point in points():
        found = _measure(point, compiled, rounds, bandwidth)
        report["points"].append(found)
        print(json.dumps(found), flush=True)
        torch.compiler.reset()
    slug = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    write_record(f"gpu-kernels-{slug}", report)
    return 0


def _measure(point: Point, compiled: Callable[..., Any], rounds: int, bandwidth: float) -> dict[str, Any]:
    sets = _inputs(point)
    sides: dict[str, Callable[..., Any]] = {
        "triton": grouping_attention_torch.grouping_attention,
        "eager": grouping_attention_torch.plain_forward,
        "compiled": compiled,
    }
    replays = {name: [_captured(call, inputs) for inputs in sets] for name, call in sides.items()}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for index in range(rounds):
        for name, graphs in replays.items():
            times[name].append(_milliseconds(graphs[index % len(graphs)].replay))
    bound = 1000 * point.bytes / bandwidth
    ours = Timing.of(times["triton"])
    return {
        **asdict(point),
        "milliseconds": {name: asdict(Timing.of(values)) for name, values in times.items()},
        "eager_over_triton": asdict(ratio(times["eager"], times["triton"])),
        "compiled_over_triton": asdict(ratio(times["compiled"], times["triton"])),
        "bound_ms": round(bound, 5),
        "triton_over_bound": round(ours.median / bound, 2),
    }


def _inputs(point: Point) -> list[tuple[torch.Tensor, ...]]:
    count = max(2, min(16, -(-_CACHE_BYTES // point.bytes)))
    dtype = DTYPES[point.dtype]
    generator = torch.Generator("cuda").manual_seed(0)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, device="cuda").to(dtype)

    return [
        (
            random(point.batch, point.groups, CHANNELS) * CHANNELS**-0.5,
            random(point.batch, point.length, CHANNELS),
            random(point.batch, point.groups),
        )
        for _ in range(count)
    ]


def _captured(call: Callable[..., Any], inputs: tuple[torch.Tensor, ...]) -> torch.cuda.CUDAGraph:
    """A graph of one call; compiled and tuned beforehand, on the stream that it is captured on."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            call(*inputs, EPS)
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        call(*inputs, EPS)
    graph.replay()
    torch.cuda.synchronize()
    return graph


def _milliseconds(call: Callable[[], object]) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    call()
    end.record()
    end.synchronize()
    return float(start.elapsed_time(end))


def _copy_bandwidth() -> float:
    """Bytes read and written per second by a large copy on the device."""
    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda").random_()
    target = torch.empty_like(source)
    times = [_milliseconds(lambda: target.copy_(source)) for _ in range(20)]
    return 2 * source.numel() / (Timing.of(times).median / 1000)


if __name__ == "__main__":
    sys.exit(main())
