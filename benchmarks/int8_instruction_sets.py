"""int8 with and without VNNI, on one processor: decisions, label maps and latency beside float32.

    python -m benchmarks.int8_instruction_sets

quantizes the demo and the full-size architecture (random weights) with weights of 8 bits and of 7, and writes
`benchmarks/results/int8-instruction-sets.json`. OpenVINO runs them as this processor does by itself, and in
processes where `ONEDNN_MAX_CPU_ISA` takes VNNI away. ONNX Runtime has no such switch, and runs as it is.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray

from benchmarks.machine import machine
from benchmarks.peers.inputs import SIZE, images_for_statistics, write_image
from benchmarks.peers.synthetic_checkpoint import write_telling_checkpoint
from benchmarks.timing import Timing, interleaved, ratio
from groupvit_export.build.engines import EngineBuilder
from groupvit_export.build.graphs import capture_graphs
from groupvit_export.build.int8 import TextPipeline
from groupvit_export.build.manifest_parts import model_info
from groupvit_export.build.source import load_source
from groupvit_export.data.images import bundled_images
from groupvit_export.graph.precision import TypedGraph
from groupvit_export.metrics.judge import Judge, LabelMaps
from groupvit_export.pipeline.options import ExportOptions
from groupvit_export.quantization.calibrate import quantize
from groupvit_export.quantization.image import kept_in_float
from groupvit_export.targets.registry import load_target
from groupvit_runtime.contract import IMAGE_INPUT
from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.manifest import EngineInfo
from groupvit_runtime.serialize import from_json, to_json

RESULTS: Final = Path(__file__).parent / "results" / "int8-instruction-sets.json"
INSTRUCTION_SETS: Final = ("DEFAULT", "AVX512_CORE", "AVX2")
"""Values of `ONEDNN_MAX_CPU_ISA`: this processor's own, and two without VNNI."""

_FP32: Final = "fp32"
_VARIANTS: Final = {_FP32: None, "8 bits": 8, "7 bits": 7}
_INPUTS: Final = "inputs.npy"
_ENGINES: Final = "engines.json"


def make(folder: Path, checkpoint: Path | None) -> tuple[Judge, NDArray[np.float32]]:
    """Write the engines of a model, and what they are given; who judges, and embeddings of its words."""
    options = ExportOptions(
        target="openvino",
        precision="int8",
        output=folder / "unused",
        checkpoint=None if checkpoint is None else str(checkpoint),
    )
    source = load_source(options)
    tokenizer = folder / "tokenizer.json"
    source.tokenizer.save(str(tokenizer))
    facts = model_info(source.model, source.image_size, tokenizer)
    graphs = capture_graphs(source, options, lambda line: None)
    plain = graphs.float32["image"].model
    images = bundled_images(with_truth=source.is_demo)
    infos: dict[str, Any] = {}

    builders = {
        target: EngineBuilder(
            load_target(target),
            replace(options, target=target),
            graphs.modules,
            facts.text_max_length,
            None,
            "python -m benchmarks.int8_instruction_sets",
            lambda *_: None,
        )
        for target in ("openvino", "onnx")
    }

    def build(name: str, precision: str, graph: onnx.ModelProto) -> None:
        for target, builder in builders.items():
            place = folder / f"{target} {name}"
            place.mkdir()
            infos[place.name] = to_json(builder.engine("image", precision, TypedGraph(graph, {}), place))

    text = builders["openvino"].engine("text", "fp32", graphs.typed["text"], folder)
    speech = TextPipeline(tokenizer, facts, source.templates, text, folder)
    classes = images.classes or speech.names()
    calibration, held_out = (Judge(source.decoding, half, classes) for half in images.halves())
    inputs = [
        np.concatenate([judge.decoding.inputs(rgb) for rgb in judge.judged.images.values()])
        for judge in (calibration, held_out)
    ]
    np.save(folder / _INPUTS, inputs[1])
    for name, bits in _VARIANTS.items():
        if bits is None:
            build(name, "fp32", plain)
            continue
        quantized = quantize(
            plain,
            list(inputs[0][:, None]),
            lambda pixel_values: {IMAGE_INPUT: pixel_values},
            kept_in_float(plain, weight_bits=bits),
            symmetric=False,
            weight_bits=bits,
        )
        build(name, "int8", quantized.choose(quantized.layers))
    (folder / _ENGINES).write_text(json.dumps(infos), encoding="utf-8")
    return held_out, speech.encode(held_out.words)


def run_here(folder: Path, target: str, rounds: int) -> dict[str, Any]:
    """Outputs of every variant into a file, and latencies in turn; for a process of its own."""
    infos = json.loads((folder / _ENGINES).read_text(encoding="utf-8"))
    inputs = np.load(folder / _INPUTS)
    calls: dict[str, Callable[[], object]] = {}
    outputs: dict[str, NDArray[Any]] = {}
    for name in _VARIANTS:
        place = f"{target} {name}"
        engine = load_engine(from_json(EngineInfo, infos[place], place), folder / place, EngineOptions())
        for index, pixel_values in enumerate(inputs):
            found = engine.run({IMAGE_INPUT: np.ascontiguousarray(pixel_values[None])})
            outputs |= {f"{name}/{index}/{output}": value for output, value in found.items()}
        calls[name] = lambda engine=engine: engine.run({IMAGE_INPUT: inputs[:1]})
    np.savez(folder / "outputs.npz", **outputs)
    times = interleaved(calls, rounds)
    return {
        name: {"ms": asdict(Timing.of(times[name])), "over_fp32": asdict(ratio(times[name], times[_FP32]))}
        for name in _VARIANTS
    }


def run_as(folder: Path, target: str, instruction_set: str, rounds: int) -> tuple[dict[str, Any], Any]:
    """`run_here` in a new process that takes this processor for a lesser one."""
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": instruction_set}
    command = [sys.executable, "-m", "benchmarks.int8_instruction_sets", "--run", str(folder), target]
    done = subprocess.run(
        [*command, "--rounds", str(rounds)], check=True, env=environment, stdout=subprocess.PIPE, text=True
    )
    with np.load(folder / "outputs.npz") as outputs:
        return json.loads(done.stdout), dict(outputs)


def label_maps(judge: Judge, embeddings: NDArray[np.float32], outputs: Mapping[str, Any]) -> LabelMaps:
    """Of outputs that were computed elsewhere, in the order of the images."""
    count = iter(range(len(outputs)))

    def run(pixel_values: NDArray[np.float32]) -> Mapping[str, NDArray[Any]]:
        prefix = f"{next(count)}/"
        return {k.removeprefix(prefix): v for k, v in outputs.items() if k.startswith(prefix)}

    return judge.label_maps(run, embeddings)


def assignments_as(outputs: Mapping[str, Any], others: Mapping[str, Any], stage: int) -> float:
    """Percent of the tokens of a stage that join one group in both."""
    keys = [key for key in outputs if key.endswith(f"/assignment_{stage}")]
    return 100 * float(np.mean([np.mean(outputs[key] == others[key]) for key in keys]))


def measure(model: str, folder: Path, checkpoint: Path | None, rounds: int) -> list[dict[str, Any]]:
    """A record for each engine, instruction set and variant."""
    judge, embeddings = make(folder, checkpoint)
    records = []
    for target, sets in (("openvino", INSTRUCTION_SETS), ("onnx", INSTRUCTION_SETS[:1])):
        native: dict[str, Any] = {}
        for instruction_set in sets:
            times, outputs = run_as(folder, target, instruction_set, rounds)
            native = native or outputs
            fp32 = _of(native, _FP32)
            truth = label_maps(judge, embeddings, fp32)
            for name in _VARIANTS:
                own = _of(outputs, name)
                quality = judge.compare(label_maps(judge, embeddings, own), truth)
                records.append(
                    {
                        "model": model,
                        "target": target,
                        "instruction_set": instruction_set,
                        "variant": name,
                        "assignments_as_fp32": [assignments_as(own, fp32, stage) for stage in (1, 2)],
                        "assignments_as_native": [
                            assignments_as(own, _of(native, name), stage) for stage in (1, 2)
                        ],
                        "pixels_as_fp32": quality.agreement,
                        "miou": quality.miou,
                        **times[name],
                    }
                )
                print(_line(records[-1]), flush=True)
    return records


def _of(outputs: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {k.removeprefix(f"{name}/"): v for k, v in outputs.items() if k.startswith(f"{name}/")}


def _line(record: Mapping[str, Any]) -> str:
    fp32, native = (
        " / ".join(f"{value:.2f}" for value in record[f"assignments_as_{which}"])
        for which in ("fp32", "native")
    )
    return (
        f"| {record['model']} | {record['target']} | {record['instruction_set']} | {record['variant']} "
        f"| {fp32} | {native} | {record['pixels_as_fp32']:.2f} | {record['miou']:.2f} "
        f"| {record['ms']['median']:.1f} | {record['over_fp32']['median']:.2f} |"
    )


def main() -> None:
    """Measure, write the records, print a line for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=("demo", "full size"), default=["demo", "full size"])
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--run", nargs=2, metavar=("FOLDER", "TARGET"), help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, default=RESULTS, help=f"default {RESULTS.name}")
    arguments = parser.parse_args()
    if arguments.run:
        print(json.dumps(run_here(Path(arguments.run[0]), arguments.run[1], arguments.rounds)))
        return
    print(
        "| model | target | instruction set | weights | assignments as fp32, stage 1 / 2, % "
        "| … as without the switch | pixels as fp32, % | mIoU, % | ms | over fp32 |\n" + "| --- " * 10 + "|"
    )
    records: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory(prefix="groupvit-int8-") as scratch:
        for model in arguments.models:
            folder = Path(scratch) / model.replace(" ", "-")
            folder.mkdir()
            checkpoint = None
            if model != "demo":
                images = images_for_statistics(write_image(folder / "image.jpg", SIZE))
                checkpoint = write_telling_checkpoint(folder / "checkpoint", images)
            records += measure(model, folder, checkpoint, arguments.rounds)
            text = json.dumps(
                {"machine": machine(), "rounds": arguments.rounds, "records": records}, indent=1
            )
            arguments.output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
