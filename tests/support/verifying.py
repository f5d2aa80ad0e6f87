"""A verification on few inputs: what `verify_bundle` does, without what a test does not need."""

from __future__ import annotations

import functools
from pathlib import Path

from groupvit_export.checkpoint import build_model, load_checkpoint
from groupvit_export.demo import DEMO_CHECKPOINT
from groupvit_export.preprocessor import paper_decode, preprocessings
from groupvit_export.verify.backends import Backend, engines
from groupvit_export.verify.cases import edge_cases, synthetic_cases, text_cases
from groupvit_export.verify.examine import Candidate, Plan, examine
from groupvit_export.verify.isolate import isolate
from groupvit_export.verify.report import Report
from groupvit_export.verify.subject import Subject
from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.opening import open_bundle


@functools.cache
def demo_subject(size: tuple[int, int] = (224, 224)) -> Subject:
    model = build_model(load_checkpoint(DEMO_CHECKPOINT))
    return Subject(model, size, preprocessings(DEMO_CHECKPOINT), paper_decode(size))


def engine_backend(
    bundle: Path, scratch: Path, name: str = "engine", options: EngineOptions | None = None
) -> Backend:
    opened = open_bundle(bundle)
    options = options or EngineOptions()
    image, text = opened.manifest.engine("image"), opened.manifest.engine("text")
    scratch.mkdir(parents=True, exist_ok=True)
    return engines(
        name,
        load_engine(image, opened.root, options),
        load_engine(text, opened.root, options),
        isolate(image, opened.root, len(opened.manifest.model.groups), scratch, options),
    )


def examine_backends(subject: Subject, *backends: Backend) -> Report:
    """Synthetic pictures, edge cases, text, the op alone, stability; no label maps."""
    pictures = synthetic_cases(subject.image_size, subject.contracts.hf)
    plan = Plan(
        image=[*pictures, *edge_cases(subject.image_size, subject.contracts.hf)],
        text=text_cases(subject.model.config.text_config),
        batch=max(pictures, key=lambda case: len(case.value)),
    )
    candidates = [Candidate(backend) for backend in backends]
    return examine(subject, candidates, plan, precision="fp32", bundle="test", checkpoint="demo").report
