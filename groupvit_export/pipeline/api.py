"""Checkpoint to bundle: the steps of `groupvit export`, in order."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from groupvit_export.build.api import TOKENIZER_NAME, Build, build_engines
from groupvit_export.build.clock import Clock, Progress, ProgressReport
from groupvit_export.build.int8 import Quantization, read_calibration
from groupvit_export.build.options import check_build_options
from groupvit_export.build.source import Source, load_source
from groupvit_export.checkpoint.load import Checkpoint
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.pipeline.options import ExportOptions, bundle_path
from groupvit_export.pipeline.origin import creation_date, tool_versions
from groupvit_export.pipeline.parity import Comparison, parity_error
from groupvit_export.pipeline.rebuild_command import rebuild_command
from groupvit_export.provenance import (
    PROVENANCE_NAME,
    CheckpointInfo,
    EngineProvenance,
    Float32Nodes,
    ParitySummary,
    PrecisionRow,
    Provenance,
    provenance_text,
)
from groupvit_export.targets.registry import TARGETS, check_options
from groupvit_export.utf8 import utf8_text
from groupvit_export.verification.int8_criteria import label_cells
from groupvit_export.verification.report import Cell
from groupvit_export.verification.rows import RowKey
from groupvit_runtime.files import check_replaceable, staged_folder
from groupvit_runtime.manifest import MANIFEST_NAME, NVLABS_TEXT_CLEANING, FileInfo, Manifest, Verdict
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
    check_build_options(options)
    created, rebuild = creation_date(), utf8_text(rebuild_command(options))
    target_options = check_options(options.target, options.target_options)
    path = bundle_path(options)
    check_replaceable(path, force=options.force)
    images = read_calibration(options.quantization)
    cautions = () if images is None else images.cautions
    for caution in cautions:
        progress(f"note: {caution}")
    announced = TARGETS[options.target].announce(target_options)
    if announced is not None:
        progress(f"note: {announced}")
    clock = Clock(progress, report)

    with clock.step("load the checkpoint"):
        source = load_source(options, checkpoint)
        for remark in source.notes:
            progress(f"note: {remark}")

    with (
        scratch_folder("export") as scratch,
        staged_folder(path, force=options.force) as stage,
    ):
        built = build_engines(
            source, options, stage, scratch, images=images, rebuild=rebuild, clock=clock, report=report
        )
        parity, precisions = _judge(source, built, options, scratch, clock, report)
        manifest = _manifest(source, built, parity.verdict, utf8_text(path.name))
        provenance = Provenance(
            created=created,
            command=options.command,
            rebuild=rebuild,
            versions=tool_versions(),
            checkpoint=CheckpointInfo(utf8_text(source.checkpoint.source), source.checkpoint.format),
            passes=options.passes,
            engines=_engine_provenance(built),
            parity=parity,
            precisions=precisions,
        )
        text = manifest.to_text().encode()
        (stage / MANIFEST_NAME).write_bytes(text)
        (stage / PROVENANCE_NAME).write_text(provenance_text(provenance, manifest), encoding="utf-8")
        TARGETS[options.target].furnish(stage)
    digest = hashlib.sha256(text).hexdigest()
    return ExportResult(path, manifest, digest, provenance, clock.seconds, (*cautions, *source.notes))


def _judge(
    source: Source, built: Build, options: ExportOptions, scratch: Path, clock: Clock, report: ProgressReport
) -> tuple[ParitySummary, tuple[PrecisionRow, ...]]:
    """The engines beside the reference, and below float32 beside float32.

    Raises:
        ParityError: they are not the model, and that is not allowed.
    """
    quantization = built.quantization
    with clock.step("compare with the reference"):
        comparison = Comparison.of(source, built.tokenizer, built.model, scratch, report)
        cells = None if quantization is None else _label_cells(quantization, options.quantization.budget)
        in_int8 = None if quantization is None else quantization.image.record.quantized
        compared = comparison.compare(built.engines, options.passes, cells, in_int8)
        if compared.summary.verdict == "FAIL" and not options.allow_failed_parity:
            raise parity_error(compared.summary)
    if options.precision == "fp32":
        return compared.summary, ()
    with clock.step("put the precisions side by side"):
        judge = comparison.judge() if quantization is None else quantization.held_out
        beside = comparison.compare(built.float32(scratch / "fp32"))
        return compared.summary, comparison.rows(judge, beside, compared, options.precision)


def _label_cells(quantization: Quantization, budget: LabelBudget) -> dict[RowKey, Cell]:
    """The rows that decide about int8."""
    made = quantization.image
    return label_cells(made.quality, made.fp32_quality, budget, quantization.held_out.described)


def _manifest(source: Source, built: Build, verdict: Verdict, name: str) -> Manifest:
    return Manifest(
        name=name,
        fingerprint=source.checkpoint.fingerprint,
        verdict=verdict,
        model=built.model,
        engines=built.engines.both,
        requires=(NVLABS_TEXT_CLEANING,) if source.cleans_as_nvlabs else (),
        tokenizer=FileInfo.of(built.engines.root, TOKENIZER_NAME),
        prompts=source.templates,
        preprocessing=source.contracts,
        decode=source.decode,
    )


def _engine_provenance(built: Build) -> tuple[EngineProvenance, EngineProvenance]:
    """As the manifest lists them."""
    quantized = None if built.quantization is None else built.quantization.image
    image = built.graphs.typed["image"] if quantized is None else quantized.graph
    record = None if quantized is None else quantized.record
    return (
        EngineProvenance("image", _float32_nodes(image.kept), record),
        EngineProvenance("text", _float32_nodes(built.graphs.typed["text"].kept)),
    )


def _float32_nodes(kept: Mapping[str, str]) -> tuple[Float32Nodes, ...]:
    """Nodes with the reason of each, by reason."""
    return tuple(
        Float32Nodes(reason, tuple(node for node, why in kept.items() if why == reason))
        for reason in dict.fromkeys(kept.values())
    )
