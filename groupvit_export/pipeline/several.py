"""Image engines in several precisions: built, judged, timed beside each other, and kept where wanted."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from groupvit_export.build.api import Build, FurtherImage, build_engines, build_further_image
from groupvit_export.build.clock import Clock, ProgressReport
from groupvit_export.build.source import Source
from groupvit_export.data.images import ImageSet
from groupvit_export.errors import GroupViTError
from groupvit_export.pipeline.candidates import FLOAT32, PrecisionPlan
from groupvit_export.pipeline.choose_precision import choose_precision, fastest_first
from groupvit_export.pipeline.made import Made, image_provenance, text_provenance
from groupvit_export.pipeline.options import ExportOptions
from groupvit_export.pipeline.parity import Compared, Comparison, parity_error
from groupvit_export.provenance import AlternativeProvenance, EngineProvenance, PrecisionRow
from groupvit_export.targets.registry import TARGETS
from groupvit_export.verification.int8_criteria import label_cells
from groupvit_export.verification.report import worst
from groupvit_runtime.instruction_sets import instruction_sets
from groupvit_runtime.manifest import EngineInfo, FileInfo, MeasuredInfo
from groupvit_runtime.processor import processor_flags


@dataclass(frozen=True, eq=False)
class _Further:
    """A further image engine, judged."""

    image: FurtherImage
    compared: Compared

    @property
    def info(self) -> EngineInfo:
        return self.image.engines.image

    @property
    def provenance(self) -> EngineProvenance:
        made = self.image.quantization
        return image_provenance(self.image.graph, None if made is None else made.image.record)


@dataclass(frozen=True, eq=False)
class _Workshop:
    """What every precision is built and judged with."""

    source: Source
    options: ExportOptions
    built: Build
    comparison: Comparison
    scratch: Path
    images: ImageSet | None
    clock: Clock

    def further(self, precision: str) -> _Further:
        """Build and judge one.

        Raises:
            GroupViTError: a step failed.
            ParityError: it is not the model, and that is not allowed.
        """
        options = replace(self.options, precision=precision)
        scratch = self.scratch / f"build-{precision}"
        scratch.mkdir()
        image = build_further_image(
            self.built, self.source, options, scratch, images=self.images, clock=self.clock
        )
        made = image.quantization
        cells, in_int8 = None, None
        if made is not None:
            budget, found = options.quantization.budget, made.image
            cells = label_cells(found.quality, found.fp32_quality, budget, made.held_out.described)
            in_int8 = found.record.quantized
        with self.clock.step(f"compare {precision} with the reference"):
            compared = self.comparison.compare(image.engines, self.options.passes, cells, in_int8)
        return _Further(image, compared)


def make_several(
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
    """Build float32 and the precisions of a plan.

    A precision that the plan does not require, and that cannot be built or is not the model, is told and left
    out.

    Args:
        source: the loaded checkpoint.
        options: what was asked for.
        plan: what is built for it.
        stage: the bundle's folder.
        scratch: a folder for what is tried; it must outlive what is returned.
        images: of int8.
        rebuild: the command that makes the bundle anew.
        clock: announces and times the steps.
        report: told how far a long step is.

    Raises:
        GroupViTError: a step of float32, or of a required precision, failed.
    """
    built = build_engines(
        source,
        replace(options, precision=FLOAT32),
        stage,
        scratch,
        images=None,
        rebuild=rebuild,
        clock=clock,
        report=report,
    )
    with clock.step("compare with the reference"):
        comparison = Comparison.of(source, built.tokenizer, built.model, scratch, report)
        float32 = comparison.compare(built.engines, options.passes)
        _refuse_other_models(float32, options)
    workshop = _Workshop(source, options, built, comparison, scratch, images, clock)
    made, refused = _all_further(workshop, plan, stage)
    rows = _side_by_side(workshop, plan, float32, made)
    choice = choose_precision(plan, rows, refused) if plan.auto else None
    if choice is not None:
        clock.note(choice.words)
    kept = dict.fromkeys((*plan.required, *(() if choice is None else (choice.chosen,))))
    for precision in made.keys() - kept.keys():
        shutil.rmtree(stage / precision)
    first = Made(
        built=built,
        engines=built.engines.both,
        provenance=(image_provenance(built.graphs.typed["image"], None), text_provenance(built)),
        verdict=float32.summary.verdict,
        parity=float32.summary,
        precisions=rows if made else (),
        choice=choice,
    )
    if FLOAT32 not in kept:
        return _alone(first, made[next(iter(kept))], stage)
    return _together(first, {name: made[name] for name in kept if name != FLOAT32}, rows)


def _all_further(
    workshop: _Workshop, plan: PrecisionPlan, stage: Path
) -> tuple[dict[str, _Further], dict[str, str]]:
    """What was built, and why the others were not."""
    made: dict[str, _Further] = {}
    refused: dict[str, str] = {}
    for precision in plan.order:
        if precision == FLOAT32:
            continue
        passed = [name for name, one in made.items() if one.compared.summary.verdict == "PASS"]
        if plan.auto and not plan.timed and passed and precision not in plan.required:
            refused[precision] = f"not built: {passed[0]} comes first"
            continue
        try:
            made[precision] = workshop.further(precision)
            if precision in plan.required:
                _refuse_other_models(made[precision].compared, workshop.options)
        except GroupViTError as error:
            if precision in plan.required:
                raise
            refused[precision] = error.what
            shutil.rmtree(stage / precision, ignore_errors=True)
            workshop.clock.note(f"note: {precision} is left out: {error.what}")
    return made, refused


def _side_by_side(
    workshop: _Workshop, plan: PrecisionPlan, float32: Compared, made: dict[str, _Further]
) -> tuple[PrecisionRow, ...]:
    quantizations = [one.image.quantization for one in made.values()]
    judge = next((one.held_out for one in quantizations if one is not None), None)
    with workshop.clock.step("put the precisions side by side"):
        return workshop.comparison.rows(
            judge or workshop.comparison.judge(),
            float32,
            {name: one.compared for name, one in made.items()},
            timed=plan.timed or not plan.auto,
        )


def _refuse_other_models(compared: Compared, options: ExportOptions) -> None:
    if compared.summary.verdict == "FAIL" and not options.allow_failed_parity:
        raise parity_error(compared.summary)


def _alone(first: Made, chosen: _Further, stage: Path) -> Made:
    """The chosen one in place of float32, which is removed."""
    for file in first.engines[0].all_files:
        (stage / file.path).unlink()
    for file in chosen.info.all_files:
        shutil.move(stage / file.path, stage / PurePosixPath(file.path).name)
    (stage / chosen.info.precision).rmdir()

    def moved(file: FileInfo) -> FileInfo:
        return replace(file, path=PurePosixPath(file.path).name)

    source = chosen.info.source
    image = replace(
        chosen.info,
        files=tuple(map(moved, chosen.info.files)),
        source=None if source is None else moved(source),
    )
    return replace(
        first,
        engines=(image, first.engines[1]),
        provenance=(chosen.provenance, first.provenance[1]),
        verdict=chosen.compared.summary.verdict,
        parity=chosen.compared.summary,
    )


def _together(first: Made, further: dict[str, _Further], rows: Sequence[PrecisionRow]) -> Made:
    """float32 first, the others beside it."""
    sets = instruction_sets(processor_flags())
    order = fastest_first(rows, (FLOAT32, *further))
    on_cpu = TARGETS[first.engines[0].target].devices[0] == "cpu"
    return replace(
        first,
        verdict=worst((first.verdict, *(one.compared.summary.verdict for one in further.values()))),
        alternatives=tuple(one.info for one in further.values()),
        measured=MeasuredInfo(sets, order) if order and sets and on_cpu else None,
        alternative_provenance=tuple(
            AlternativeProvenance(name, one.provenance, one.compared.summary) for name, one in further.items()
        ),
    )
