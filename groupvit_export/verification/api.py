"""`verify_bundle`: is this bundle the checkpoint's model? For the command line and for one's own tests."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from groupvit_export.errors import UsageError
from groupvit_export.graph.passes import check_recorded_passes
from groupvit_export.provenance import read_provenance
from groupvit_export.targets.base import Target, unmarkable
from groupvit_export.targets.registry import check_target, target_of_engine
from groupvit_export.verification.backends import Backend, eager, encoder_in_float64
from groupvit_export.verification.bisect import FirstDivergence
from groupvit_export.verification.budgets import load_budgets
from groupvit_export.verification.checks.labels import SHOWN, LabeledImage
from groupvit_export.verification.checks.network import network_cells
from groupvit_export.verification.columns import Column, build_column, calibration_folder
from groupvit_export.verification.divergence import first_divergences
from groupvit_export.verification.engines import load_backend
from groupvit_export.verification.examine import Candidate, Examination, examine
from groupvit_export.verification.int8_criteria import apply_int8_criteria, reference_precision
from groupvit_export.verification.options import VerifyOptions
from groupvit_export.verification.prepare import Prepared, prepare
from groupvit_export.verification.report import Cell, Report
from groupvit_export.verification.rows import RowKey
from groupvit_export.verification.specification import VerificationSpec
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.open_bundle import open_bundle
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
) -> Verification:
    """Hold a bundle against the PyTorch reference: ``assert verify_bundle(path).report.verdict == "PASS"``.

    Args:
        bundle: folder or .zip written by `groupvit export`.
        options: against what and on what.
        find_divergence: where a column fails, look for the first graph node that does.
        progress: called with a line a step.

    Returns:
        A frozen record; `docs/parity.md` says what the rows mean.

    Raises:
        GroupViTError: bundle, checkpoint or images cannot be used. That an engine is wrong is a verdict,
            not an exception.
    """
    options = options or VerifyOptions()
    opened = open_bundle(Path(bundle))
    provenance = read_provenance(opened)
    check_recorded_passes(provenance.passes)
    image = opened.manifest.engine("image")
    targets = [check_target(target, image.precision) for target in dict.fromkeys(options.targets)]
    if find_divergence:
        _check_bisect(image.precision, [target_of_engine(image.target), *targets])
    for target in targets:
        target.announce(target.Options())
    calibration = calibration_folder(provenance, options.calibration) if targets else None
    prepared = prepare(opened, provenance, options)
    with scratch_folder("verify") as scratch:
        columns = [Column.of(opened, provenance)]
        for target in targets:
            progress(f"build the {target.name} engines from the checkpoint ...")
            own = scratch / target.name
            columns.append(
                build_column(opened, provenance, prepared.checkpoint, target.name, calibration, own)
            )
        engine_options = EngineOptions(device=options.device, threads=options.threads)
        loaded = _load(columns, prepared.subject, scratch, engine_options)
        examination = _examine(prepared, loaded, progress)
        divergences: Mapping[str, FirstDivergence | None] = {}
        if find_divergence:
            named = {backend.name: column for column, backend, _ in loaded}
            divergences = first_divergences(
                examination.report, named, prepared.subject, prepared.plan, progress
            )
    return Verification(examination.report, examination.shown, divergences)


def _examine(
    prepared: Prepared, loaded: Sequence[tuple[Column, Backend, Mapping[RowKey, Cell]]], progress: Progress
) -> Examination:
    """Everything on the encoder in float64, on PyTorch in the engines' precision, and on the engines."""
    subject, passes = prepared.subject, prepared.provenance.passes
    examined = reference_precision(prepared.precision)
    candidates = [
        Candidate(encoder_in_float64(subject.model, subject.image_size, passes), passes=passes),
        Candidate(eager(subject.model, examined)),
        *(
            # Only a bundle, which is the first, has a manifest that could be wrong.
            Candidate(backend, {**(prepared.recorded if number == 0 else {}), **network}, shown=SHOWN)
            for number, (_, backend, network) in enumerate(loaded)
        ),
    ]
    examination = examine(
        subject,
        candidates,
        prepared.plan,
        precision=examined,
        bundle=prepared.opened.manifest.name,
        checkpoint=prepared.checkpoint.source,
        notes=prepared.notes,
        progress=progress,
    )
    if prepared.precision != "int8":
        return examination
    held_out = prepared.held_out()
    cells = held_out.cells({backend.name: backend for _, backend, _ in loaded})
    report = apply_int8_criteria(examination.report, cells)
    return replace(examination, report=replace(report, notes=(*report.notes, *held_out.notes)))


def _load(
    columns: Sequence[Column], subject: VerificationSpec, scratch: Path, options: EngineOptions
) -> list[tuple[Column, Backend, dict[RowKey, Cell]]]:
    """Every column with what runs it, and the cells that its files alone decide."""
    loaded = []
    for number, column in enumerate(columns):
        folder = scratch / f"cut-{number}"
        folder.mkdir()
        infos = {engine.role: engine for engine in column.engines}
        network = network_cells(infos, column.root, subject.stages, column.quantized)
        backend = load_backend(
            column.name, column.engines, column.root, subject=subject, scratch=folder, options=options
        )
        loaded.append((column, backend, network))
    return loaded


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
