"""Checkpoint to bundle: the steps of `groupvit export`, in order."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

from groupvit_export.build.api import TOKENIZER_NAME
from groupvit_export.build.clock import Clock, Progress, ProgressReport
from groupvit_export.build.int8 import read_calibration
from groupvit_export.build.options import check_build_options
from groupvit_export.build.source import Source, load_source
from groupvit_export.checkpoint.load import Checkpoint
from groupvit_export.pipeline.candidates import plan_precisions
from groupvit_export.pipeline.made import Made
from groupvit_export.pipeline.options import ExportOptions, bundle_path, precision_request
from groupvit_export.pipeline.origin import creation_date, tool_versions
from groupvit_export.pipeline.rebuild_command import rebuild_command
from groupvit_export.pipeline.several import make_several
from groupvit_export.pipeline.single import make_one
from groupvit_export.provenance import PROVENANCE_NAME, CheckpointInfo, Provenance, provenance_text
from groupvit_export.targets.base import Furnishing
from groupvit_export.targets.registry import TARGETS, check_options
from groupvit_export.utf8 import utf8_text
from groupvit_runtime.files import check_replaceable, staged_folder
from groupvit_runtime.manifest import MANIFEST_NAME, NVLABS_TEXT_CLEANING, FileInfo, Manifest
from groupvit_runtime.processor import processor_flags
from groupvit_runtime.temporary import scratch_folder

__all__ = ["ExportOptions", "ExportResult", "bundle_path", "export_bundle"]


@dataclass(frozen=True)
class ExportResult:
    """The bundle's folder, manifest, digest and provenance, seconds by step, and what was assumed."""

    path: Path
    manifest: Manifest
    digest: str
    provenance: Provenance
    seconds: dict[str, float]
    notes: tuple[str, ...]


def export_bundle(
    options: ExportOptions,
    progress: Progress = lambda line: None,
    *,
    report: ProgressReport = lambda what, share, seconds: None,
    checkpoint: Checkpoint | None = None,
) -> ExportResult:
    """Export, verify and write a bundle; nothing is left behind when a step fails.

    Args:
        options: what to export.
        progress: called with a line a step.
        report: told how far a step is: what goes on, the share done (0 when it begins, 1 at its end), seconds
            since then.
        checkpoint: one that is loaded already, instead of `options.checkpoint`.

    Raises:
        GroupViTError: a step failed; `ParityError` when the engine does not equal the reference.
    """
    request = precision_request(options)
    plan = plan_precisions(request, processor_flags())
    for precision in plan.order:
        check_build_options(replace(options, precision=precision))
    path = bundle_path(options)
    if plan.single:
        options = _settled(options, plan.order[0])
    created, rebuild = creation_date(), utf8_text(rebuild_command(options))
    target_options = check_options(options.target, options.target_options)
    check_replaceable(path, force=options.force)
    images = read_calibration(options.quantization)
    cautions = () if images is None else images.cautions
    for caution in cautions:
        progress(f"note: {caution}")
    for remark in (TARGETS[options.target].announce(target_options), plan.nothing_to_choose(options.target)):
        if remark is not None:
            progress(f"note: {remark}")
    clock = Clock(progress, report)

    with clock.step("load the checkpoint"):
        source = load_source(options, checkpoint)
        for remark in source.notes:
            progress(f"note: {remark}")

    with (
        scratch_folder("export") as scratch,
        staged_folder(path, force=options.force) as stage,
    ):
        make = make_one if plan.single else make_several
        made = make(
            source, options, plan, stage, scratch, images=images, rebuild=rebuild, clock=clock, report=report
        )
        if made.choice is not None:
            rebuild = utf8_text(rebuild_command(_settled(options, made.choice.chosen)))
        manifest = _manifest(source, made, utf8_text(path.name))
        provenance = Provenance(
            created=created,
            command=options.command,
            rebuild=rebuild,
            versions=tool_versions(),
            checkpoint=CheckpointInfo(utf8_text(source.checkpoint.source), source.checkpoint.format),
            passes=options.passes,
            engines=made.provenance,
            parity=made.parity,
            precisions=made.precisions,
            alternatives=made.alternative_provenance,
            choice=made.choice,
        )
        text = manifest.to_text().encode()
        (stage / MANIFEST_NAME).write_bytes(text)
        (stage / PROVENANCE_NAME).write_text(provenance_text(provenance, manifest), encoding="utf-8")
        of = Furnishing(source.model, source.image_size, manifest.engine("image").precision, target_options)
        TARGETS[options.target].furnish(stage, of)
    digest = hashlib.sha256(text).hexdigest()
    return ExportResult(path, manifest, digest, provenance, clock.seconds, (*cautions, *source.notes))


def _settled(options: ExportOptions, precision: str) -> ExportOptions:
    """The same with nothing left to choose."""
    return replace(options, precision=precision, processor=None)


def _manifest(source: Source, made: Made, name: str) -> Manifest:
    return Manifest(
        name=name,
        fingerprint=source.checkpoint.fingerprint,
        verdict=made.verdict,
        model=made.built.model,
        engines=made.engines,
        requires=(NVLABS_TEXT_CLEANING,) if source.cleans_as_nvlabs else (),
        tokenizer=FileInfo.of(made.built.engines.root, TOKENIZER_NAME),
        prompts=source.templates,
        preprocessing=source.contracts,
        decode=source.decode,
        alternatives=made.alternatives,
        measured=made.measured,
    )
