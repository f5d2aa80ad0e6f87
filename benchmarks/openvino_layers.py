"""Where OpenVINO's time goes, by kind of layer and precision, and how long engines take beside each other.

By one thread, the default, the time is the processor's, which a busy machine does not change much;
with more it is the wall's.

Usage: python -m benchmarks.openvino_layers FILE[@bf16][@dynamic] ... [--rounds 40] [--threads 1]
FILE is an .xml or .onnx that takes images; the batch is fixed at 1 but for @dynamic, and @bf16 is the hint.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np

from groupvit_runtime.without_telemetry.openvino import openvino as ov

_SHOWN_US = 30
_SETTLE_S = 0.005


@dataclass(frozen=True)
class Side:
    """A compiled engine and what it is given."""

    name: str
    request: Any
    image: np.ndarray

    @staticmethod
    def load(name: str, threads: int, profiled: bool) -> Side:
        path, *words = name.split("@")
        if unknown := set(words) - {"bf16", "dynamic"}:
            raise SystemExit(f"{name}: no such word: {', '.join(sorted(unknown))}")
        core = ov.Core()
        model = core.read_model(path)
        height, width = (side.get_length() for side in list(model.inputs[0].get_partial_shape())[2:])
        shape = [1, 3, height, width]
        if "dynamic" not in words:
            model.reshape(shape)
        settings = {
            "INFERENCE_PRECISION_HINT": ov.Type.bf16 if "bf16" in words else ov.Type.f32,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "PERF_COUNT": profiled,
        }
        request = core.compile_model(model, "CPU", settings).create_infer_request()
        dtype = model.inputs[0].get_element_type().to_dtype()
        image = (40 * np.random.default_rng(0).standard_normal(shape)).astype(dtype)
        return Side(name, request, image)

    def run(self) -> None:
        self.request.infer([self.image], share_inputs=True)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("engines", nargs="+", metavar="FILE[@bf16][@dynamic]")
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    _print_times(arguments.engines, arguments.rounds, arguments.threads)
    for name in arguments.engines:
        _print_layers(Side.load(name, arguments.threads, profiled=True), arguments.rounds)


def _print_times(names: list[str], rounds: int, threads: int) -> None:
    clock = time.process_time if threads == 1 else time.perf_counter
    sides = [Side.load(name, threads, profiled=False) for name in names]
    taken: dict[str, list[float]] = defaultdict(list)
    for side in sides:
        side.run()
    for round_ in range(rounds):
        # Who comes first changes: the first is faster than the same engine elsewhere.
        for side in (*sides[round_ % len(sides) :], *sides[: round_ % len(sides)]):
            time.sleep(_SETTLE_S)
            start = clock()
            side.run()
            taken[side.name].append(1000 * (clock() - start))
    first = median(taken[names[0]])
    for name in names:
        found = median(taken[name])
        print(f"{found:8.2f} ms  {first / found:.3f}x  {name}")


def _print_layers(side: Side, rounds: int) -> None:
    """Each layer by its shortest time, summed by kind."""
    shortest: dict[str, float] = {}
    kinds: dict[str, tuple[str, str]] = {}
    for _ in range(rounds):
        side.run()
        for layer in side.request.get_profiling_info():
            spent = layer.real_time.total_seconds() * 1e6
            shortest[layer.node_name] = min(spent, shortest.get(layer.node_name, spent))
            kinds[layer.node_name] = (layer.node_type, layer.exec_type)
    sums: dict[tuple[str, str], list[float]] = defaultdict(list)
    for name, spent in shortest.items():
        if spent:
            sums[kinds[name]].append(spent)
    print(f"\n{side.name}: {sum(shortest.values()):.0f} us")
    for (kind, how), spents in sorted(sums.items(), key=lambda item: -sum(item[1])):
        if sum(spents) >= _SHOWN_US:
            print(f"{sum(spents):9.0f} us {len(spents):4} {kind:30} {how}")


if __name__ == "__main__":
    main()
