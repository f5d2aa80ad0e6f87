"""A verification on few inputs: what `verify_bundle` does, without what a test does not need."""

from __future__ import annotations

import functools
from pathlib import Path

from groupvit_export.checkpoint.load import build_model, load_checkpoint
from groupvit_export.checkpoint.preprocessor import paper_constants, preprocessings
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.verification.backends import Backend
from groupvit_export.verification.engines import load_backend
from groupvit_export.verification.examine import Candidate, examine, synthetic_plan
from groupvit_export.verification.report import Report
from groupvit_export.verification.specification import VerificationSpec
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.open_bundle import open_bundle


@functools.cache
def demo_subject(size: tuple[int, int] = (224, 224)) -> VerificationSpec:
    model = build_model(load_checkpoint(DEMO_CHECKPOINT))
    return VerificationSpec(model, size, preprocessings(DEMO_CHECKPOINT), paper_constants(size))


def engine_backend(
    bundle: Path, scratch: Path, name: str = "engine", options: EngineOptions | None = None
) -> Backend:
    opened = open_bundle(bundle)
    options = options or EngineOptions()
    scratch.mkdir(parents=True, exist_ok=True)
    return load_backend(
        name,
        opened.manifest.engines,
        opened.root,
        subject=demo_subject(opened.manifest.model.image_size),
        scratch=scratch,
        options=options,
    )


def examine_backends(subject: VerificationSpec, *backends: Backend, precision: str = "fp32") -> Report:
    """Synthetic images, edge cases, text, the op alone, stability; no label maps."""
    plan = synthetic_plan(subject)
    candidates = [Candidate(backend) for backend in backends]
    return examine(subject, candidates, plan, precision=precision, bundle="test", checkpoint="demo").report
