"""The grouping attention on a GPU: Triton, CUDA, PyTorch's eager operations and torch.compile.

Usage: python -m benchmarks.grouping_attention [--sides LIST] [--batches LIST] [--rounds N] [--tested]
Writes a JSON object a line: first what bandwidth allows, then every problem, with how far the sides are
apart.

Refuses without a GPU, and while a test of the op fails: a wrong kernel has no speed. The sides take turns as
CUDA graphs, so that no side is charged for Python; a graph has one call for each of many inputs, so that what
is measured is memory and not the cache.
"""

from __future__ import annotations

import argparse
import itertools
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch

from benchmarks.gpu import cuda_kernels, triton_tests
from benchmarks.gpu.cuda_library import open_kernels
from benchmarks.gpu.rows import not_run, write_row
from benchmarks.timing import Timing, ratio
from groupvit_export.benchmark.machine import this_machine
from groupvit_kernels import grouping_attention_torch

CHANNELS = 384
EPS = 1.0
DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
SIDES = ("triton", "cuda", "eager", "compiled")
_CACHE_BYTES = 256 << 20
"""More than any GPU's second-level cache: so many bytes of inputs are rotated."""
_SOFT_TOLERANCE = 2e-5
"""That of the tests against the float64 reference; two sides may be twice as far apart."""

Inputs = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
Op = Callable[[torch.Tensor, torch.Tensor, torch.Tensor, float], tuple[torch.Tensor, ...]]


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


def points(batches: Sequence[int]) -> Iterator[Point]:
    """The grid; the model's own problems first."""
    stages = ((196, 64), (784, 64), (64, 8), (3136, 64), (784, 8))
    for (length, groups), dtype, batch in itertools.product(stages, DTYPES, batches):
        yield Point(batch, length, groups, dtype)


def main() -> int:
    """Compare and measure; 0 unless two sides disagree or nothing could be measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sides", default="triton,eager,compiled", help=f"of {', '.join(SIDES)}")
    parser.add_argument("--batches", default="1,8,64,256")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument(
        "--tested", action="store_true", help="the op's tests have passed on this GPU just now"
    )
    given = parser.parse_args()
    if not torch.cuda.is_available():
        return not_run("no GPU: PyTorch sees none")
    if os.environ.get("TRITON_INTERPRET") == "1":
        return not_run("TRITON_INTERPRET=1 would keep Triton's kernels off the GPU: unset it")
    if not given.tested and triton_tests.main([]) != 0:
        return not_run("nothing was measured: the op's tests fail")
    sides = _sides(given.sides.split(","))
    bandwidth = _copy_bandwidth()
    device = torch.cuda.get_device_name()
    write_row(machine=asdict(this_machine()), device=device, copy_gb_per_s=round(bandwidth / 1e9, 1))
    measured, apart = 0, 0
    for point in points([int(batch) for batch in given.batches.split(",")]):
        found = _measure(point, sides, given.rounds, bandwidth)
        write_row(**found)
        measured, apart = measured + 1, apart + (not found["agree"])
        torch.compiler.reset()
    write_row(summary=f"{measured} problems; the sides disagree in {apart} of them")
    return 0 if measured and not apart else 1


def _sides(names: Sequence[str]) -> dict[str, Op]:
    """The sides by name; the CUDA kernels are built for this GPU."""
    known: dict[str, Callable[[], Op]] = {
        "triton": lambda: grouping_attention_torch.grouping_attention,
        "cuda": _built,
        "eager": lambda: grouping_attention_torch.plain_forward,
        "compiled": lambda: torch.compile(
            grouping_attention_torch.plain_forward, mode="max-autotune-no-cudagraphs", dynamic=False
        ),
    }
    return {name: known[name]() for name in names}


def _built() -> Op:
    cuda_kernels.build()
    return open_kernels(cuda_kernels.LIBRARY)


def _measure(point: Point, sides: Mapping[str, Op], rounds: int, bandwidth: float) -> dict[str, Any]:
    sets = _inputs(point)
    differences = {
        f"{left}, {right}": _difference(sides[left], sides[right], sets[0])
        for left, right in itertools.combinations(sides, 2)
    }
    replays = {name: _captured(call, sets) for name, call in sides.items()}
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, graph in replays.items():
            times[name].append(_milliseconds(graph.replay) / len(sets))
    first, *others = sides
    bound = 1000 * point.bytes / bandwidth
    return {
        **asdict(point),
        "agree": all(found["agree"] for found in differences.values()),
        "differences": differences,
        "calls_of_a_graph": len(sets),
        "milliseconds": {name: _timing(values) for name, values in times.items()},
        **{f"{other}_over_{first}": asdict(ratio(times[other], times[first])) for other in others},
        "bound_ms": round(bound, 5),
        "over_bound": {name: round(_median(values) / bound, 2) for name, values in times.items()},
    }


def _difference(left: Op, right: Op, inputs: Inputs) -> dict[str, Any]:
    """How far two sides are apart; a token may be in another group only where the two are as good."""
    query, tokens, bias = inputs
    (left_means, left_soft, left_index, _), (right_means, right_soft, right_index, _) = (
        call(query, tokens, bias, EPS) for call in (left, right)
    )
    soft = float((left_soft - right_soft).abs().max())
    flipped = left_index != right_index
    shares = [left_soft.gather(1, index.unsqueeze(1)).squeeze(1) for index in (left_index, right_index)]
    gap = float((shares[0] - shares[1]).abs()[flipped].max()) if flipped.any() else 0.0
    # A mean with another token in it is another mean.
    same = (~flipped.any(1)).nonzero().flatten()
    means = float((left_means[same] - right_means[same]).abs().max()) if len(same) else None
    return {
        "tokens_in_another_group": int(flipped.sum()),
        "their_largest_gap": gap,
        "soft_map": soft,
        "means_of_images_without_such": means,
        "agree": soft <= 2 * _SOFT_TOLERANCE and gap <= 2 * _SOFT_TOLERANCE,
    }


def _inputs(point: Point) -> list[Inputs]:
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


def _captured(call: Op, sets: Sequence[Inputs]) -> torch.cuda.CUDAGraph:
    """A graph of a call for each of the inputs; compiled beforehand, on the stream it is captured on."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        for _ in range(3):
            call(*sets[0], EPS)
    stream.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        for inputs in sets:
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


def _median(values: Sequence[float]) -> float:
    return sorted(values)[len(values) // 2]


def _timing(values: Sequence[float]) -> dict[str, float]:
    """To a tenth of a microsecond: `Timing` rounds to whole ones, and a call can take few of them."""
    in_order = sorted(values)
    last = len(in_order) - 1
    shares = {"median": 0.5, "p05": 0.05, "p95": 0.95}
    return {name: round(in_order[round(share * last)], 4) for name, share in shares.items()}


def _copy_bandwidth() -> float:
    """Bytes read and written per second by a large copy on the device."""
    source = torch.empty(1 << 30, dtype=torch.uint8, device="cuda").random_()
    target = torch.empty_like(source)
    times = [_milliseconds(lambda: target.copy_(source)) for _ in range(20)]
    return 2 * source.numel() / (Timing.of(times).median / 1000)


if __name__ == "__main__":
    sys.exit(main())
