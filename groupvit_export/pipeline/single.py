"""One image engine, in the precision that was asked for."""

from __future__ import annotations

from pathlib import Path

from groupvit_export.build.api import Build, build_engines
from groupvit_export.build.clock import Clock, ProgressReport
from groupvit_export.build.int8 import Quantization
from groupvit_export.build.source import Source
from groupvit_export.data.images import ImageSet
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.pipeline.candidates import PrecisionPlan
from groupvit_export.pipeline.made import Made, image_provenance, text_provenance
from groupvit_export.pipeline.options import ExportOptions
from groupvit_export.pipeline.parity import Comparison, parity_error
from groupvit_export.provenance import ParitySummary, PrecisionRow
from groupvit_export.verification.int8_criteria import label_cells
from groupvit_export.verification.report import Cell
from groupvit_export.verification.rows import RowKey


def make_one(
    source: Source,
    options: ExportOptions,
    plan: PrecisionPlan,
    stage: Path,
    scratch: Path,
    *,
    images: ImageSet | None,
    rebuild: str,
    clock: Clock,
    report: ProgressReport,
) -> Made:
    """Build and judge it; arguments as for `groupvit_export.pipeline.several.make_several`.

    Raises:
        GroupViTError: a step failed.
    """
    del plan
    built = build_engines(
        source, options, stage, scratch, images=images, rebuild=rebuild, clock=clock, report=report
    )
    parity, precisions = _judge(source, built, options, scratch, clock, report)
    quantized = None if built.quantization is None else built.quantization.image
    image = built.graphs.typed["image"] if quantized is None else quantized.graph
    return Made(
        built=built,
        engines=built.engines.both,
        provenance=(
            image_provenance(image, None if quantized is None else quantized.record),
            text_provenance(built),
        ),
        verdict=parity.verdict,
        parity=parity,
        precisions=precisions,
    )


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
        return compared.summary, comparison.rows(judge, beside, {options.precision: compared})


def _label_cells(quantization: Quantization, budget: LabelBudget) -> dict[RowKey, Cell]:
    """The rows that decide about int8."""
    made = quantization.image
    return label_cells(made.quality, made.fp32_quality, budget, quantization.held_out.described)
