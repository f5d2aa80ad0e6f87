"""What TensorRT builds of the graphs, and how long it takes; every precision that is a type. No GPU.

Usage: python -m benchmarks.trt_builds [--rounds N]; writes benchmarks/results/trt-builds.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import onnx

from benchmarks.checkpoint import write_full_size_checkpoint
from benchmarks.record import machine, write_record
from benchmarks.timing import Timing
from groupvit_export.checkpoint.load import Checkpoint, build_model, load_checkpoint
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.graph.capture import capture_image_encoder, capture_text_encoder
from groupvit_export.graph.encoders import ImageEncoder, TextEncoder
from groupvit_export.graph.passes import PASSES, apply_passes
from groupvit_export.graph.precision import HALVES, TypedGraph, in_precision
from groupvit_export.targets.tensorrt.choose import Choice, choose_flavor
from groupvit_export.targets.tensorrt.network import network_facts, parse
from groupvit_export.targets.tensorrt.options import Bounds, TrtOptions
from groupvit_export.targets.tensorrt.plan import build_plan, profiles_of
from groupvit_export.targets.words import decision_words
from groupvit_runtime.engines.tensorrt_flavors import logger_of


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds: int = parser.parse_args().rounds
    options = TrtOptions()
    choice = choose_flavor(options)
    report: dict[str, Any] = {
        "machine": machine(),
        "builder": f"{choice.flavor.title} {choice.trt.__version__}",
    }
    with tempfile.TemporaryDirectory() as name:
        full = write_full_size_checkpoint(Path(name) / "full-size")
        for size, folder in (("demo", DEMO_CHECKPOINT), ("full size", full)):
            checkpoint = load_checkpoint(str(folder))
            longest = checkpoint.config.text_config.max_position_embeddings
            for role, graph in _graphs(checkpoint).items():
                report[f"{size}, {role}"] = _measure(graph, role, choice, options, rounds, longest)
    write_record("trt-builds", report)
    print(json.dumps(report, indent=2))


def _graphs(checkpoint: Checkpoint) -> dict[str, onnx.ModelProto]:
    model = build_model(checkpoint)
    rows, columns = model.config.vision_config.patch_grid
    patch = model.config.vision_config.patch_size
    encoder = ImageEncoder(model, (rows * patch, columns * patch))
    apply_passes(encoder, tuple(PASSES))
    longest = model.config.text_config.max_position_embeddings
    return {
        "image": capture_image_encoder(encoder),
        "text": capture_text_encoder(TextEncoder(model), longest),
    }


def _measure(
    graph: onnx.ModelProto, role: str, choice: Choice, options: TrtOptions, rounds: int, longest: int
) -> dict[str, Any]:
    """The precisions take turns, so that a drift of the machine hits all."""
    typed = {precision: in_precision(graph, precision) for precision in ("fp32", *HALVES)}
    times: dict[str, list[float]] = {precision: [] for precision in typed}
    sizes: dict[str, list[int]] = {precision: [] for precision in typed}
    batch = options.batch if role == "image" else options.text_batch
    for _ in range(rounds):
        for precision, item in typed.items():
            profiles = profiles_of(item.model, batch, Bounds(2, min(16, longest), longest))
            start = time.perf_counter()
            plan = build_plan(item.model, profiles, choice, options, lambda what, share, seconds: None)
            times[precision].append(time.perf_counter() - start)
            sizes[precision].append(len(plan))
    return {
        precision: {
            "build_s": vars(Timing.of(times[precision])),
            "plan_bytes": [min(sizes[precision]), max(sizes[precision])],
            "onnx_bytes": item.model.ByteSize(),
            **_network(item, role, choice),
        }
        for precision, item in typed.items()
    }


def _network(item: TypedGraph, role: str, choice: Choice) -> dict[str, Any]:
    parsed = parse(choice.trt, logger_of(choice.trt), item.model)
    facts = network_facts(choice.trt, parsed.network, 2 if role == "image" else 0)
    return {
        "onnx_nodes": len(item.model.graph.node),
        "kept_in_fp32": dict(Counter(item.kept.values())),
        "layers": dict(facts.layers),
        "layers_by_dtype": dict(facts.dtypes),
        "wrong_decisions": [decision_words(wrong) for wrong in facts.wrong_decisions],
        "casts_unread_or_undone": len(facts.unread_casts) + len(facts.round_trips),
    }


if __name__ == "__main__":
    main()
