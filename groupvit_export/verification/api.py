"""`verify_bundle`: is this bundle the checkpoint's model? For the command line and for one's own tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from groupvit_export.errors import UsageError
from groupvit_export.graph.passes import check_recorded_passes
from groupvit_export.provenance import Provenance, read_provenance
from groupvit_export.targets.base import Target, unmarkable
from groupvit_export.targets.registry import check_target, target_of_engine
from groupvit_export.verification.backends import eager, encoder_in_float64
from groupvit_export.verification.bisect import FirstDivergence
from groupvit_export.verification.budgets import load_budgets
from groupvit_export.verification.candidate_engines import (
    CandidateEngines,
    build_candidate,
    calibration_folder,
)
from groupvit_export.verification.checks.labels import SHOWN, LabeledImage
from groupvit_export.verification.checks.network import network_cells
from groupvit_export.verification.divergence import first_divergences
from groupvit_export.verification.engines import load_backend
from groupvit_export.verification.examine import Candidate, Examination, examine
from groupvit_export.verification.int8_criteria import apply_int8_criteria, reference_precision
from groupvit_export.verification.options import VerifyOptions
from groupvit_export.verification.prepare import Prepared, prepare
from groupvit_export.verification.report import Report, joined
from groupvit_export.verification.specification import VerificationSpec
from groupvit_export.verification.workload import WorkReport
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.manifest import Manifest
from groupvit_runtime.open_bundle import OpenBundle, load_from_bundle
from groupvit_runtime.temporary import scratch_folder

__all__ = ["Verification", "VerifyOptions", "verify_bundle"]

Progress = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Verification:
    """What was found.

    Attributes:
        report: the matrix, its verdict and where it failed first.
        shown: the label maps of every column, for images.
        divergences: by column, the first node that leaves its budget; only where it was asked for.
    """

    report: Report
    shown: Mapping[str, tuple[LabeledImage, ...]]
    divergences: Mapping[str, FirstDivergence | None]


def verify_bundle(
    bundle: str | Path,
    options: VerifyOptions | None = None,
    *,
    find_divergence: bool = False,
    progress: Progress = lambda line: None,
    report: WorkReport = lambda what, share, seconds: None,
) -> Verification:
    """Hold a bundle against the PyTorch reference: ``assert verify_bundle(path).report.verdict == "PASS"``.

    Args:
        bundle: folder or .zip written by `groupvit export`.
        options: against what and on what.
        find_divergence: where a column fails, look for the first graph node that does.
        progress: called with a line a step.
        report: told how far a step is: what goes on, the share done (0 when it begins), seconds since then.

    Returns:
        A frozen record; `docs/parity.md` says what the rows mean. Of a bundle with several image engines it
        has the columns of each.

    Raises:
        GroupViTError: bundle, checkpoint or images cannot be used. That an engine is wrong is a verdict,
            not an exception.
    """
    given = options or VerifyOptions()

    def judge(opened: OpenBundle) -> list[Verification]:
        provenance = read_provenance(opened)
        check_recorded_passes(provenance.passes)
        return [
            _verify(
                replace(opened, manifest=opened.manifest.with_image_engine(engine)),
                provenance.with_image_engine(engine.precision),
                given,
                find_divergence=find_divergence,
                progress=progress,
                report=report,
            )
            for engine in opened.manifest.image_engines
        ]

    found = load_from_bundle(Path(bundle), None, judge)
    return Verification(
        joined([one.report for one in found]),
        {name: shown for one in found for name, shown in one.shown.items()},
        {name: node for one in found for name, node in one.divergences.items()},
    )


def _verify(
    opened: OpenBundle,
    provenance: Provenance,
    options: VerifyOptions,
    *,
    find_divergence: bool,
    progress: Progress,
    report: WorkReport,
) -> Verification:
    """Of one image engine."""
    image = opened.manifest.engine("image")
    targets = [check_target(target, image.precision) for target in dict.fromkeys(options.targets)]
    if find_divergence:
        _check_bisect(image.precision, [target_of_engine(image.target), *targets])
    for target in targets:
        target.announce(target.Options())
    calibration = calibration_folder(provenance, options.calibration) if targets else None
    report("load the checkpoint", 0.0, 0.0)
    prepared = prepare(opened, provenance, options)
    with scratch_folder("verify") as scratch:
        candidates = [CandidateEngines.of(opened, provenance)]
        for target in targets:
            progress(f"build the {target.name} engines from the checkpoint ...")
            own = scratch / target.name
            candidates.append(
                build_candidate(
                    opened, provenance, prepared.checkpoint, target.name, calibration, own, report
                )
            )
        engine_options = EngineOptions(device=options.device, threads=options.threads)
        loaded = [
            _loaded(engines, prepared.subject, scratch / f"cut-{number}", engine_options)
            for number, engines in enumerate(candidates)
        ]
        examination = _examine(opened.manifest, provenance.passes, prepared, loaded, progress, report)
        divergences: Mapping[str, FirstDivergence | None] = {}
        if find_divergence:
            report("look for the first node", 0.0, 0.0)
            named = {one.backend.column.name: own for one, own in zip(loaded, candidates, strict=True)}
            divergences = first_divergences(
                examination.report, named, prepared.subject, prepared.plan, progress
            )
    return Verification(examination.report, examination.shown, divergences)


def _examine(
    manifest: Manifest,
    passes: tuple[str, ...],
    prepared: Prepared,
    engines: Sequence[Candidate],
    progress: Progress,
    report: WorkReport,
) -> Examination:
    """Everything on the encoder in float64, on PyTorch in the engines' precision, and on the engines."""
    # Only a bundle, which is the first, has a manifest that could be wrong.
    own, *others = engines
    subject, examined = prepared.subject, reference_precision(manifest.engine("image").precision)
    examination = examine(
        subject,
        [
            Candidate(encoder_in_float64(subject.model, subject.image_size, passes), passes=passes),
            Candidate(eager(subject.model, examined)),
            replace(own, cells={**prepared.recorded, **own.cells}),
            *others,
        ],
        prepared.plan,
        precision=examined,
        bundle=manifest.name,
        checkpoint=prepared.checkpoint.source,
        notes=prepared.notes,
        progress=progress,
        report=report,
    )
    if prepared.validation is None:
        return examination
    report("label maps of int8", 0.0, 0.0)
    cells = prepared.validation.cells(eager(subject.model, "fp32"), [one.backend for one in engines])
    return replace(examination, report=apply_int8_criteria(examination.report, cells))


def _loaded(
    engines: CandidateEngines, subject: VerificationSpec, scratch: Path, options: EngineOptions
) -> Candidate:
    """What runs them, with the cells that their files alone decide."""
    scratch.mkdir()
    infos = {engine.role: engine for engine in engines.engines}
    network = network_cells(infos, engines.root, subject.stages, engines.quantized)
    backend = load_backend(
        engines.name, engines.engines, engines.root, subject=subject, scratch=scratch, options=options
    )
    return Candidate(backend, network, shown=SHOWN)


def _check_bisect(precision: str, targets: Sequence[Target[Any]]) -> None:
    """Refuse to look for a first node where there can be none, before anything long.

    Raises:
        UsageError: of this precision, or of one of these targets; says why.
    """
    examined = reference_precision(precision)
    if examined != precision or load_budgets(examined).labels is not None:
        raise UsageError(
            "below float32 every value inside an engine is off, so none of them is the first",
            got=f"--bisect of an engine in {precision}",
            expected="an engine in fp32",
            fix="export the same checkpoint in fp32 and bisect that",
        )
    for target in targets:
        if target.no_mark_values is not None:
            raise unmarkable(target)
