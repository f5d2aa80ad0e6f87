"""Checkpoint to bundle: the steps of `groupvit export`, in order."""

from __future__ import annotations

import datetime
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

from groupvit_export.bundle import model_info
from groupvit_export.checkpoint import Checkpoint
from groupvit_export.exporting.clock import Clock, Progress, ProgressReport
from groupvit_export.exporting.engines import EngineBuilder, Engines
from groupvit_export.exporting.graphs import capture_graphs
from groupvit_export.exporting.int8 import Quantization, Speech, read_calibration
from groupvit_export.exporting.options import ExportOptions, bundle_path, check_options
from groupvit_export.exporting.parity import Comparison, parity_error
from groupvit_export.exporting.source import Source, load_source
from groupvit_export.quality.judge import Judge
from groupvit_export.quality.pictures import bundled_pictures
from groupvit_export.targets import TARGETS, load_target
from groupvit_export.torch_package.toolchain import check_toolchain
from groupvit_export.trt.choose import choose_flavor
from groupvit_export.verify.stand_in import StandIn, find_stand_in
from groupvit_runtime.engines import EngineOptions
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
    """The bundle's folder, its manifest, and seconds by step."""

    path: Path
    manifest: Manifest
    seconds: dict[str, float]


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
    pictures = read_calibration(options.quantization)
    build = load_target(options.target)
    if options.target == "trt":
        progress(f"note: {choose_flavor(options.trt).why}")
    if options.target == "torch":
        check_toolchain(options.device or "cpu")
    clock = Clock(progress)

    with clock.step("load the checkpoint"):
        source = load_source(options, checkpoint)
        for remark in source.checkpoint.notes:
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
        stand_in: StandIn | None = None
        if options.precision == "int8":
            with clock.step(f"build the {options.target} engines"):
                # Words are better kept in float32: they are encoded once, and every picture is read by them.
                text = builder.engine("text", "fp32", graphs.float32["text"], stage)
            with clock.step("quantise the image engine"):
                tried, spoken, root = builder, text, stage
                stand_in = find_stand_in({"text": text}, stage, scratch, EngineOptions())
                if stand_in is not None:
                    # What would have to be built for each trial could not be run.
                    progress(f"note: {stand_in.words}")
                    spoken, root = stand_in.engines["text"], stand_in.root
                    onnx_options = replace(options, target="onnx")
                    tried = replace(builder, build=load_target("onnx"), options=onnx_options)
                quantization = Quantization.make(
                    graphs.float32["image"].model,
                    pictures or bundled_pictures(with_truth=source.is_demo),
                    options.quantization.budget,
                    source.decoding,
                    source.inside,
                    Speech(tokenizer, model, source.templates, spoken, root),
                    partial(tried.engine, "image"),
                    scratch / "trials",
                    symmetric=TARGETS[options.target].symmetric,
                    stand_in=None if stand_in is None else stand_in.words,
                    note=progress,
                    report=report,
                )
                quantized = quantization.image
                image = builder.engine("image", "int8", quantized.graph, stage, quantized.info)
        else:
            with clock.step(f"build the {options.target} engines"):
                text = builder.engine("text", options.precision, graphs.typed["text"], stage)
                image = builder.engine("image", options.precision, graphs.typed["image"], stage)
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
                if quantization is None:
                    scenes = bundled_pictures(with_truth=source.is_demo)
                    judge = Judge(source.decoding, scenes, scenes.classes or comparison.words().names)
                else:
                    judge = quantization.held_out
                if quantization is None or stand_in is not None:
                    fp32 = builder.float32(graphs, scratch / "fp32")
                else:
                    fp32 = quantization.fp32
                beside = comparison.compare(fp32)
                precisions = comparison.rows(judge, beside, compared, options.precision, report)

        manifest = _manifest(options, source, model, engines, parity, precisions, path.name)
        (stage / MANIFEST_NAME).write_text(manifest.to_text(), encoding="utf-8")
    return ExportResult(path=path, manifest=manifest, seconds=clock.seconds)


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
