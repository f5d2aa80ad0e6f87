"""What the budgets of a verification are held against: false alarms over seeds, noise by precision, matrices.

Usage: python -m benchmarks.parity [--seeds N] [--skip-full-size]; writes benchmarks/results/parity.json.
Every seed is the demo's architecture with a random image encoder, run by ONNX Runtime and OpenVINO. The graph
is captured once and its weights are exchanged, which gives the file that an export would write. The text
encoder is the same for all seeds: it decides nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper

from benchmarks.checkpoint import write_full_size_checkpoint
from benchmarks.record import machine, write_record
from groupvit_export.checkpoint.load import build_model, load_checkpoint
from groupvit_export.checkpoint.preprocessor import paper_constants, preprocessings
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.graph.capture import capture_image_encoder, capture_text_encoder
from groupvit_export.graph.encoders import ImageEncoder, TextEncoder
from groupvit_export.graph.passes import PASSES, apply_passes
from groupvit_export.model.config import GroupViTConfig
from groupvit_export.model.groupvit import GroupViTModel
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.targets.base import BuildRequest
from groupvit_export.targets.options import TargetOptions
from groupvit_export.targets.registry import TARGETS
from groupvit_export.verification.api import VerifyOptions, verify_bundle
from groupvit_export.verification.backends import DTYPES, eager
from groupvit_export.verification.engines import load_backend
from groupvit_export.verification.examine import Candidate, examine, synthetic_plan
from groupvit_export.verification.reference import Reference
from groupvit_export.verification.report import Report
from groupvit_export.verification.specification import VerificationSpec, measure_noise
from groupvit_export.verification.words import finding_words
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.manifest import EngineInfo, FileInfo, Role, TensorInfo

_TARGETS = ("onnx", "openvino")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--skip-full-size", action="store_true")
    arguments = parser.parse_args()
    report: dict[str, Any] = {"machine": machine(), "matrices": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoints = {"demo": None}
        if not arguments.skip_full_size:
            checkpoints["full size, random weights"] = str(write_full_size_checkpoint(folder / "full"))
        for title, checkpoint in checkpoints.items():
            print(f"{title} ...", file=sys.stderr, flush=True)
            report["matrices"][title] = _matrix(checkpoint, folder / title.split(",")[0])
        report["seeds"] = _seeds(arguments.seeds, folder)
    write_record("parity", report, indent=1)
    print(json.dumps(report["seeds"], indent=1))


def _matrix(checkpoint: str | None, output: Path) -> dict[str, Any]:
    bundle = export_bundle(ExportOptions(target="onnx", checkpoint=checkpoint, output=output)).path
    found = verify_bundle(bundle, VerifyOptions(targets=("openvino",))).report
    return {
        "verdict": found.verdict,
        "seconds": round(found.seconds, 1),
        "runs": len(found.cases),
        "rows": {
            row.key.slug: {
                column: {"value": cell.value, "budget": cell.budget, "verdict": cell.verdict}
                for column, cell in row.cells.items()
            }
            for row in found.rows
        },
    }


def _seeds(count: int, folder: Path) -> dict[str, Any]:
    """Verdicts by target, how much of its budget each row used at most, and the noise of every precision."""
    config = load_checkpoint(DEMO_CHECKPOINT).config
    exporter = _Exporter(config)
    verdicts: dict[str, Counter[str]] = {target: Counter() for target in _TARGETS}
    used: dict[str, float] = {}
    noise: dict[str, dict[str, float]] = {precision: {} for precision in DTYPES}
    failures: list[str] = []
    for seed in range(count):
        model = exporter.model(seed)
        report = exporter.report(model, folder / f"seed-{seed}")
        for target in _TARGETS:
            verdicts[target][report.column_verdict(target)] += 1
        failures += [f"seed {seed}: {finding_words(finding)}" for finding in report.findings]
        for row in report.rows:
            shares = [
                cell.value / cell.budget
                for cell in row.cells.values()
                if cell.budget and cell.value is not None
            ]
            if shares:
                used[row.key.slug] = max(used.get(row.key.slug, 0.0), *shares)
        if seed < 5:
            _add_noise(noise, model)
        print(f"seed {seed + 1} of {count}: {report.verdict}", file=sys.stderr, flush=True)
    demo = build_model(load_checkpoint(DEMO_CHECKPOINT))
    demo_noise: dict[str, dict[str, float]] = {precision: {} for precision in DTYPES}
    _add_noise(demo_noise, demo)
    return {
        "count": count,
        "verdicts": verdicts,
        "not passed": failures,
        "largest share of a budget": dict(sorted(used.items(), key=lambda item: -item[1])),
        "noise of eager PyTorch": {"random weights, 5 seeds": noise, "demo": demo_noise},
    }


def _add_noise(noise: dict[str, dict[str, float]], model: GroupViTModel) -> None:
    subject = _subject(model)
    plan = synthetic_plan(subject)
    images = [case for case in plan.image if case.kind == "image"]
    reference = Reference(model)
    for precision in DTYPES:
        found = measure_noise(eager(model, precision), reference, images, plan.text)
        for (_, quantity), error in found.items():
            noise[precision][quantity] = max(noise[precision].get(quantity, 0.0), error)


def _random_model(config: GroupViTConfig, seed: int) -> GroupViTModel:
    torch.manual_seed(seed)
    model = GroupViTModel(config).eval()
    # They start at zero, which would leave positions and groups without a difference.
    torch.nn.init.normal_(model.vision_model.embeddings.position_embeddings, std=0.02)
    for name, parameter in model.named_parameters():
        if name.endswith("group_token"):
            torch.nn.init.normal_(parameter, std=1.0)
    return model


def _subject(model: GroupViTModel) -> VerificationSpec:
    size = (224, 224)
    return VerificationSpec(model, size, preprocessings(DEMO_CHECKPOINT), paper_constants(size))


class _Exporter:
    """Engines of many models of one architecture from one capture."""

    def __init__(self, config: GroupViTConfig) -> None:
        self._first = _random_model(config, 10**6)
        image = _image_encoder(self._first)
        self._image = capture_image_encoder(image)
        self._sources = _sources(self._image, image.state_dict())
        limit = config.text_config.max_position_embeddings
        self._text = capture_text_encoder(TextEncoder(self._first), limit)

    def model(self, seed: int) -> GroupViTModel:
        """Random, but for the text encoder."""
        model = _random_model(self._first.config, seed)
        for part in ("text_model", "text_projection"):
            getattr(model, part).load_state_dict(getattr(self._first, part).state_dict())
        return model

    def report(self, model: GroupViTModel, folder: Path) -> Report:
        """Verify the model's engines of every target."""
        folder.mkdir(parents=True)
        weights = _image_encoder(model).state_dict()
        graphs = {"image": self._filled(weights), "text": self._text}
        subject = _subject(model)
        candidates = []
        for target in _TARGETS:
            own = folder / target
            own.mkdir()
            infos = [_engine(target, graphs[role], role, own) for role in ("image", "text")]
            backend = load_backend(target, infos, own, subject=subject, scratch=own, options=EngineOptions())
            candidates.append(Candidate(backend))
        plan = synthetic_plan(subject)
        return examine(subject, candidates, plan, precision="fp32", bundle="", checkpoint="").report

    def _filled(self, weights: Mapping[str, torch.Tensor]) -> onnx.ModelProto:
        graph = onnx.ModelProto()
        graph.CopyFrom(self._image)
        for tensor in graph.graph.initializer:
            source = self._sources.get(tensor.name)
            if source is not None:
                key, transposed = source
                array = weights[key].numpy()
                array = array.T if transposed else array
                array = np.ascontiguousarray(array).reshape(tuple(tensor.dims))
                tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
        return graph


def _image_encoder(model: GroupViTModel) -> ImageEncoder:
    encoder = ImageEncoder(model, (224, 224))
    apply_passes(encoder, tuple(PASSES))
    return encoder


def _sources(graph: onnx.ModelProto, weights: Mapping[str, torch.Tensor]) -> dict[str, tuple[str, bool]]:
    """Which weight each tensor of the graph is, and whether it lies there transposed."""
    found: dict[str, tuple[str, bool]] = {}
    named = {key: value.numpy() for key, value in weights.items() if value.is_floating_point()}
    for tensor in graph.graph.initializer:
        array = numpy_helper.to_array(tensor)
        if array.dtype != np.float32 or array.size < 2:
            continue
        for key, value in named.items():
            if array.size == value.size and np.array_equal(array.ravel(), value.ravel()):
                found[tensor.name] = (key, False)
            elif array.ndim == 2 and array.T.shape == value.shape and np.array_equal(array.T, value):
                found[tensor.name] = (key, True)
    missing = {key for key, value in named.items() if value.size > 1} - {key for key, _ in found.values()}
    # Constants like zero biases and unit gains are the same for every seed, so any of them will do.
    changing = {key for key in missing if np.unique(named[key]).size > 1}
    if changing:
        raise SystemExit(f"weights that the graph does not have as they are: {sorted(changing)}")
    return found


def _engine(target: str, graph: onnx.ModelProto, role: Role, folder: Path) -> EngineInfo:
    request = BuildRequest(
        role=role,
        precision="fp32",
        # These targets look at the two above alone.
        module=torch.nn.Identity(),
        text_max_length=32,
        options=TargetOptions(),
        rebuild="",
        report=lambda what, share, seconds: None,
    )
    built = TARGETS[target].build(graph, folder, request)
    return EngineInfo(
        role=role,
        target=target,
        precision="fp32",
        files=tuple(FileInfo.of(folder, name) for name in built.files),
        inputs=(),
        outputs=tuple(TensorInfo(value.name, "float32", ()) for value in graph.graph.output),
        versions=dict(built.versions),
        hardware=built.hardware,
    )


if __name__ == "__main__":
    main()
