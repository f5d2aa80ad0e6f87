"""What the budgets of a verification are held against: false alarms over seeds, noise by precision, matrices.

Usage: python -m benchmarks.parity [--seeds N] [--skip-full-size]; writes benchmarks/results/parity.json.
Every seed is the demo's architecture with a random image encoder, run by ONNX Runtime and OpenVINO. The text
encoder is the demo's for all seeds: it decides nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import onnx
import torch

from benchmarks.checkpoint import write_full_size_checkpoint
from benchmarks.engines import backend_of
from benchmarks.record import machine, write_record
from groupvit_export.checkpoint.load import build_model, load_checkpoint
from groupvit_export.checkpoint.preprocessor import paper_constants, preprocessings
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.graph.capture import capture_image_encoder, capture_text_encoder
from groupvit_export.graph.encoders import ImageEncoder, TextEncoder
from groupvit_export.graph.passes import PASSES, apply_passes
from groupvit_export.model.groupvit import GroupViTModel
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.verification.api import VerifyOptions, verify_bundle
from groupvit_export.verification.backends import DTYPES, eager
from groupvit_export.verification.examine import Candidate, examine, synthetic_plan
from groupvit_export.verification.reference import Reference
from groupvit_export.verification.report import Report
from groupvit_export.verification.specification import VerificationSpec, measure_noise
from groupvit_export.verification.words import finding_words
from groupvit_runtime.manifest import Role

_TARGETS = ("onnx", "openvino")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--skip-full-size", action="store_true")
    arguments = parser.parse_args()
    report: dict[str, Any] = {"machine": machine(), "matrices": {}}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        checkpoints: dict[str, str | None] = {"demo": None}
        if not arguments.skip_full_size:
            checkpoints["full size, random weights"] = str(write_full_size_checkpoint(folder / "full"))
        for title, checkpoint in checkpoints.items():
            print(f"{title} ...", file=sys.stderr, flush=True)
            report["matrices"][title] = _matrix(checkpoint, folder / title.split(",")[0])
        report["seeds"] = _seeds(arguments.seeds, folder)
    write_record("parity", report, indent=1)
    print(json.dumps(report["seeds"], indent=1))


def _matrix(checkpoint: str | None, output: Path) -> dict[str, Any]:
    bundle = export_bundle(
        ExportOptions(target="onnx", precision="fp32", checkpoint=checkpoint, output=output)
    ).path
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
    demo = build_model(load_checkpoint(DEMO_CHECKPOINT))
    text = capture_text_encoder(TextEncoder(demo), demo.config.text_config.max_position_embeddings)
    verdicts: dict[str, Counter[str]] = {target: Counter() for target in _TARGETS}
    used: dict[str, float] = {}
    noise: dict[str, dict[str, float]] = {precision: {} for precision in DTYPES}
    failures: list[str] = []
    for seed in range(count):
        model = _random_model(demo, seed)
        report = _report(model, text, folder / f"seed-{seed}")
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


def _random_model(demo: GroupViTModel, seed: int) -> GroupViTModel:
    """Random, but for the text encoder."""
    torch.manual_seed(seed)
    model = GroupViTModel(demo.config).eval()
    # They start at zero, which would leave positions and groups without a difference.
    torch.nn.init.normal_(model.vision_model.embeddings.position_embeddings, std=0.02)
    for name, parameter in model.named_parameters():
        if name.endswith("group_token"):
            torch.nn.init.normal_(parameter, std=1.0)
    for part in ("text_model", "text_projection"):
        getattr(model, part).load_state_dict(getattr(demo, part).state_dict())
    return model


def _subject(model: GroupViTModel) -> VerificationSpec:
    size = (224, 224)
    return VerificationSpec(model, size, preprocessings(DEMO_CHECKPOINT), paper_constants(size))


def _report(model: GroupViTModel, text: onnx.ModelProto, folder: Path) -> Report:
    """Verify the model's engines of every target."""
    encoder = ImageEncoder(model, (224, 224))
    apply_passes(encoder, tuple(PASSES))
    graphs: dict[Role, onnx.ModelProto] = {"image": capture_image_encoder(encoder), "text": text}
    subject = _subject(model)
    candidates = [
        Candidate(backend_of(target, graphs, target, folder / target, subject)) for target in _TARGETS
    ]
    plan = synthetic_plan(subject)
    return examine(subject, candidates, plan, precision="fp32", bundle="", checkpoint="").report


if __name__ == "__main__":
    main()
