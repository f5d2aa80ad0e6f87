"""How close the image engines come to what this machine can do at all.

Usage: python -m benchmarks.roofline [--rounds N] [--threads N]; writes benchmarks/results/roofline.json.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
import torch

from benchmarks.peers.inputs import INPUT, make_material
from benchmarks.peers.sides import OURS, SIDES
from benchmarks.record import circumstances, write_record
from benchmarks.rounds import read_rounds
from benchmarks.timing import milliseconds
from groupvit_export.benchmark.machine import load_average
from groupvit_export.graph.grouping_attention_function import inlined
from groupvit_runtime import Segmenter
from groupvit_runtime.without_telemetry.onnxruntime import onnxruntime

BATCHES: Final = (1, 8)

_SIZES: Final = (512, 1024, 2048, 3072)
_REPEATS: Final = 7
_COPIED_FLOATS: Final = 1 << 26
_COUNTED: Final = ("MatMul", "Gemm", "Conv")
# They multiply matrices, too; a count that passed over one of them would be too low without saying so.
_REFUSED: Final = frozenset(
    {
        *("Attention", "GroupQueryAttention", "MultiHeadAttention", "Einsum", "FusedMatMul", "MatMulInteger"),
        *("ConvInteger", "ConvTranspose", "QLinearConv", "QLinearMatMul", "GRU", "LSTM", "RNN"),
        *("If", "Loop", "Scan"),
    }
)


@dataclass(frozen=True)
class Work:
    """What one run of a graph has to do.

    Attributes:
        operations: of MatMul, Gemm and Conv, a multiplication and an addition each.
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


def count_work(model: onnx.ModelProto, batch: int) -> Work:
    """Count a graph without model-local functions.

    The shapes are those of one run on zeros: inference of shapes stops at shapes that are computed.

    Args:
        model: its inputs may have a free first axis and no other.
        batch: for that axis.

    Raises:
        ValueError: another axis is free, or there is an operator whose operations are not counted.
    """
    graph = model.graph
    if refused := sorted({node.op_type for node in graph.node} & _REFUSED):
        raise ValueError(f"operations of {', '.join(refused)} are not counted")
    counted = [node for node in graph.node if node.op_type in _COUNTED]
    weights = {weight.name: tuple(weight.dims) for weight in graph.initializer}
    feeds = {i.name: _zeros(i, batch) for i in graph.input if i.name not in weights}
    shapes = _shapes(model, {name for node in counted for name in [*node.input, *node.output]}, feeds)
    moved = sum(feed.nbytes for feed in feeds.values())
    moved += sum(onnx.numpy_helper.to_array(weight).nbytes for weight in graph.initializer)
    moved += sum(shapes[output.name].nbytes for output in graph.output)
    sizes = {name: array.shape for name, array in shapes.items()} | weights
    return Work(sum(_operations(node, sizes) for node in counted), moved)


def _operations(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    first, second = shapes[node.input[0]], shapes[node.input[1]]
    result = int(np.prod(shapes[node.output[0]], dtype=np.int64))
    if node.op_type == "Conv":
        # [out channels, in channels of one group, kernel...]: all but the first are summed over.
        return 2 * result * int(np.prod(second[1:], dtype=np.int64))
    if node.op_type == "Gemm":
        transposed = any(attribute.name == "transA" and attribute.i for attribute in node.attribute)
        return 2 * result * first[0 if transposed else 1]
    return 2 * result * first[-1]


def _shapes(
    model: onnx.ModelProto, names: set[str], feeds: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    observed = onnx.ModelProto()
    observed.CopyFrom(model)
    known = {value.name for value in [*model.graph.output, *model.graph.input, *model.graph.initializer]}
    observed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted(names - known - {""}))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    # Optimized away, a tensor would have no shape.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        observed.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    outputs = [output.name for output in observed.graph.output]
    return dict(zip(outputs, session.run(outputs, dict(feeds)), strict=True)) | dict(feeds)


def _zeros(value: onnx.ValueInfoProto, batch: int) -> np.ndarray:
    tensor = value.type.tensor_type
    shape = [dim.dim_value for dim in tensor.shape.dim]
    if 0 in shape[1:]:
        raise ValueError(f"input {value.name} has a free axis behind its first: {shape}")
    if shape and shape[0] == 0:
        shape[0] = batch
    return np.zeros(shape, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))


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
        bundles = make_material(Path(folder), OURS).bundles
        engines = {name: Segmenter.load(bundles[name], threads=arguments.threads)._image for name in OURS}
        graph = inlined(onnx.load(bundles["ours-onnxruntime"] / "image.onnx"))
        works = {batch: count_work(graph, batch) for batch in BATCHES}
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
