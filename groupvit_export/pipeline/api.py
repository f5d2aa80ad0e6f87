"""Checkpoint to bundle: the steps of `groupvit export`, in order."""

from __future__ import annotations

import datetime
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from groupvit_export.build.clock import Clock, Progress, ProgressReport
from groupvit_export.build.engines import EngineBuilder, Engines
from groupvit_export.build.graphs import capture_graphs
from groupvit_export.build.int8 import CandidateBuilder, Quantization, read_calibration
from groupvit_export.build.manifest_parts import model_info
from groupvit_export.build.source import Source, load_source
from groupvit_export.checkpoint.load import Checkpoint
from groupvit_export.pipeline.options import ExportOptions, bundle_path, check_options
from groupvit_export.pipeline.parity import Comparison, parity_error
from groupvit_export.targets.aotinductor.toolchain import check_toolchain
from groupvit_export.targets.registry import load_target
from groupvit_export.targets.tensorrt.choose import choose_flavor
from groupvit_runtime.files import check_replaceable, staged_folder
from groupvit_runtime.manifest import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    CheckpointInfo,
    FileInfo,
    Manifest,
    ModelInfo,
    ParitySummary,
    PrecisionRow,
)

__all__ = ["ExportOptions", "ExportResult", "bundle_path", "export_bundle"]

_TOKENIZER_NAME: Final = "tokenizer.json"


@dataclass(frozen=True)
class ExportResult:
    """The bundle's folder, its manifest, seconds by step, and what was assumed of the checkpoint."""

    path: Path
    manifest: Manifest
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
        report: told how far a long step is: what goes on, the share done, seconds since it began.
        checkpoint: one that is loaded already, instead of `options.checkpoint`.

    Raises:
        GroupViTError: a step failed; `ParityError` when the engine does not equal the reference.
    """
    check_options(options)
    path = bundle_path(options)
    check_replaceable(path, force=options.force)
    images = read_calibration(options.quantization)
    build = load_target(options.target)
    if options.target == "trt":
        progress(f"note: {choose_flavor(options.trt).why}")
    if options.target == "torch":
        check_toolchain(options.device or "cpu")
    clock = Clock(progress)

    with clock.step("load the checkpoint"):
        source = load_source(options, checkpoint)
        for remark in source.notes:
            progress(f"note: {remark}")

    with (
        tempfile.TemporaryDirectory(prefix="groupvit-export-") as folder,
        staged_folder(path, force=options.force) as stage,
    ):
        scratch = Path(folder)
        tokenizer = stage / _TOKENIZER_NAME
        source.tokenizer.save(str(tokenizer))
        # Before the long steps: a tokenizer of another model is refused here.
        model = model_info(source.model, source.image_size, tokenizer)

        with clock.step("capture the graphs"):
            graphs = capture_graphs(source, options, progress)

        builder = EngineBuilder(
            build, options, graphs.modules, model.text_max_length, source.normalizes, report
        )
        quantization: Quantization | None = None
        # ClassPrompts are better kept in float32: they are encoded once, and every image is read by them.
        text_precision = "fp32" if options.precision == "int8" else options.precision
        with clock.step(f"build the {options.target} engines"):
            text = builder.engine("text", text_precision, graphs.typed["text"], stage)
            if options.precision != "int8":
                image = builder.engine("image", options.precision, graphs.typed["image"], stage)
        if options.precision == "int8":
            with clock.step("quantize the image engine"):
                trials = CandidateBuilder.of(builder, text, stage, scratch)
                if trials.substitute is not None:
                    progress(f"note: {trials.substitute}")
                quantization = Quantization.make(
                    graphs.float32["image"].model,
                    source,
                    tokenizer,
                    model,
                    trials,
                    images,
                    scratch / "trials",
                    target=options.target,
                    budget=options.quantization.budget,
                    note=progress,
                    report=report,
                )
                quantized = quantization.image
                image = builder.engine("image", "int8", quantized.graph, stage, quantized.info)
        engines = Engines(options.precision, image, text, stage)

        with clock.step("compare with the reference"):
            comparison = Comparison.of(source, tokenizer, model, scratch)
            label_cells = None if quantization is None else quantization.label_cells()
            compared = comparison.compare(engines, options.passes, label_cells)
            parity = compared.summary
            if parity.verdict == "FAIL" and not options.allow_failed_parity:
                raise parity_error(parity)

        precisions: tuple[PrecisionRow, ...] = ()
        if options.precision != "fp32":
            with clock.step("put the precisions side by side"):
                judge = comparison.judge() if quantization is None else quantization.held_out
                fp32 = None if quantization is None else quantization.fp32
                beside = comparison.compare(fp32 or builder.float32(graphs, scratch / "fp32"))
                precisions = comparison.rows(judge, beside, compared, options.precision, report)

        manifest = _manifest(options, source, model, engines, parity, precisions, path.name)
        (stage / MANIFEST_NAME).write_text(manifest.to_text(), encoding="utf-8")
    return ExportResult(path=path, manifest=manifest, seconds=clock.seconds, notes=source.notes)


def _manifest(
    options: ExportOptions,
    source: Source,
    model: ModelInfo,
    engines: Engines,
    parity: ParitySummary,
    precisions: tuple[PrecisionRow, ...],
    name: str,
) -> Manifest:
    checkpoint = source.checkpoint
    return Manifest(
        schema_version=SCHEMA_VERSION,
        name=name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        command=options.command,
        toolkit_version=version("groupvit-export"),
        checkpoint=CheckpointInfo(
            source=checkpoint.source, format=checkpoint.format, fingerprint=checkpoint.fingerprint
        ),
        model=model,
        engines=engines.both,
        tokenizer=FileInfo.of(engines.root, _TOKENIZER_NAME),
        prompts=source.templates,
        preprocessing=source.contracts,
        decode=source.decode,
        passes=options.passes,
        parity=parity,
        precisions=precisions,
    )
