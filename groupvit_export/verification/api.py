"""`verify_bundle`: is this bundle the checkpoint's model? For the command line and for one's own tests."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer as RawTokenizer

from groupvit_export.checkpoint.load import Checkpoint, build_model, load_checkpoint, load_recorded
from groupvit_export.checkpoint.preprocessor import paper_constants, read_preprocessing
from groupvit_export.checkpoint.tokenizer import find_tokenizer
from groupvit_export.data.bundled import DEMO_CHECKPOINT, DEMO_SOURCE
from groupvit_export.data.images import LONG_SIDE, ImageSet, read_images
from groupvit_export.errors import CheckpointError, UsageError
from groupvit_export.graph.passes import check_recorded_passes
from groupvit_export.provenance import Provenance, is_manifest_sealed, read_provenance
from groupvit_export.targets.base import Target, unmarkable
from groupvit_export.targets.registry import check_target, target_of_engine
from groupvit_export.verification.backends import Backend, eager, encoder_in_float64
from groupvit_export.verification.bisect import FirstDivergence
from groupvit_export.verification.budgets import load_budgets
from groupvit_export.verification.cells import count_cell, place
from groupvit_export.verification.checks.contract import check_architecture, manifest_cells
from groupvit_export.verification.checks.labels import SHOWN, LabeledImage
from groupvit_export.verification.checks.network import network_cells
from groupvit_export.verification.columns import Column, build_column, calibration_folder
from groupvit_export.verification.divergence import first_divergences
from groupvit_export.verification.engines import load_backend
from groupvit_export.verification.examine import Candidate, Examination, examine, label_plan
from groupvit_export.verification.inputs import bundled_scenes, class_words, sentences
from groupvit_export.verification.int8_criteria import apply_int8_criteria, reference_precision
from groupvit_export.verification.report import Cell, Report, not_run
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_export.verification.specification import ClassPrompts, VerificationSpec
from groupvit_export.verification.validation_set import ValidationSet
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.open_bundle import OpenBundle, open_bundle

Progress = Callable[[str], None]


@dataclass(frozen=True)
class VerifyOptions:
    """What to verify a bundle against, and on what.

    Attributes:
        images: a folder of images, or of a data set with masks; None for the scenes that the package ships.
        against: folder, hub id or `.pth`; None for the checkpoint that the provenance names.
        config: a config.json to use instead of the checkpoint's.
        targets: further targets, built from the checkpoint on the spot, as columns beside the bundle's.
        labels: class names for the label maps; None for words that the tokenizer knows.
        limit: at most so many images of the folder, spread evenly over their names.
        threads: of the engines; None for their own choice.
        device: "cpu" or "cuda"; None for the target's usual one.
        calibration: for `targets` of an int8 bundle, where the images lie that it was calibrated on; None for
            where the provenance says.
    """

    images: Path | None = None
    against: str | None = None
    config: Path | None = None
    targets: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    limit: int = 100
    threads: int | None = None
    device: str | None = None
    calibration: Path | None = None


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
    manifest, provenance = opened.manifest, read_provenance(opened)
    check_recorded_passes(provenance.passes)
    precision = manifest.engine("image").precision
    examined = reference_precision(precision)
    targets = [check_target(target, precision) for target in dict.fromkeys(options.targets)]
    if find_divergence:
        _check_bisect(precision, [target_of_engine(manifest.engine("image").target), *targets])
    for target in targets:
        target.announce(target.Options())
    calibration = calibration_folder(provenance, options.calibration) if targets else None
    images = None if options.images is None else read_images(options.images, options.limit)
    checkpoint = _checkpoint(provenance, options)
    model = build_model(checkpoint)
    image_size = manifest.model.image_size
    normalizes = manifest.engine("image").normalizes
    preprocessing = read_preprocessing(checkpoint.folder, image_size)
    subject = VerificationSpec(
        model, image_size, preprocessing.contracts, paper_constants(image_size), normalizes
    )
    notes = [*_seal_notes(opened), *_fingerprint_notes(opened, checkpoint), *preprocessing.notes]
    check_architecture(model, manifest.model)
    words, token_ids = _words(opened, checkpoint, options.labels)
    shown = bundled_scenes() if images is None else images.images
    plan = label_plan(subject, words, shown, manifest.engine("image").max_batch)
    with tempfile.TemporaryDirectory(prefix="groupvit-verify-") as folder:
        scratch = Path(folder)
        columns = [Column.of(opened, provenance)]
        for target in targets:
            progress(f"build the {target.name} engines from the checkpoint ...")
            columns.append(
                build_column(opened, provenance, checkpoint, target.name, calibration, scratch / target.name)
            )
        backends = _load(
            columns, subject, scratch, EngineOptions(device=options.device, threads=options.threads)
        )
        # Only a bundle has a manifest that could be wrong.
        recorded = {
            **manifest_cells(subject, opened, {**plan.images, **plan.shapes}),
            RowKey(RowKind.TOKEN_IDS): token_ids,
        }
        candidates = [
            Candidate(encoder_in_float64(model, image_size, provenance.passes), passes=provenance.passes),
            Candidate(eager(model, examined)),
            *(
                Candidate(backend, {**(recorded if column is columns[0] else {}), **network}, shown=SHOWN)
                for column, backend, network in backends
            ),
        ]
        examination = examine(
            subject,
            candidates,
            plan,
            precision=examined,
            bundle=manifest.name,
            checkpoint=checkpoint.source,
            notes=[*notes, *_image_notes(images)],
            progress=progress,
        )
        if precision == "int8":
            held_out = _held_out(opened, provenance, subject, images, options.labels, checkpoint)
            examination = _judge_int8(examination, held_out, [backend for _, backend, _ in backends])
        divergences: Mapping[str, FirstDivergence | None] = {}
        if find_divergence:
            named = {backend.name: column for column, backend, _ in backends}
            divergences = first_divergences(examination.report, named, subject, plan, progress)
    return Verification(examination.report, examination.shown, divergences)


def _load(
    columns: Sequence[Column], subject: VerificationSpec, scratch: Path, options: EngineOptions
) -> list[tuple[Column, Backend, dict[RowKey, Cell]]]:
    """Every column with what runs it, and the cells that its files alone decide."""
    loaded = []
    for number, column in enumerate(columns):
        folder = scratch / f"cut-{number}"
        folder.mkdir()
        backend = load_backend(
            column.name, column.engines, column.root, subject=subject, scratch=folder, options=options
        )
        infos = {engine.role: engine for engine in column.engines}
        network = network_cells(infos, column.root, subject.stages, column.quantized)
        loaded.append((column, backend, network))
    return loaded


def _judge_int8(
    examination: Examination, held_out: ValidationSet, backends: Sequence[Backend]
) -> Examination:
    """The examination by the criteria of int8, with the label maps of the held-out images."""
    report = apply_int8_criteria(
        examination.report, held_out.cells({backend.name: backend for backend in backends})
    )
    return replace(examination, report=replace(report, notes=(*report.notes, *held_out.notes)))


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


def _held_out(
    bundle: OpenBundle,
    provenance: Provenance,
    subject: VerificationSpec,
    images: ImageSet | None,
    labels: tuple[str, ...] | None,
    checkpoint: Checkpoint,
) -> ValidationSet:
    manifest = bundle.manifest
    assert manifest.tokenizer is not None  # _words has refused a bundle without
    return ValidationSet.of(
        manifest,
        provenance,
        manifest.tokenizer.verify(bundle.root),
        subject,
        eager(subject.model, "fp32"),
        images,
        labels,
        demo=checkpoint.source == DEMO_SOURCE,
    )


def _checkpoint(provenance: Provenance, options: VerifyOptions) -> Checkpoint:
    recorded = provenance.checkpoint
    if options.against is None and recorded.source == DEMO_SOURCE:
        return replace(load_checkpoint(DEMO_CHECKPOINT, config=options.config), source=DEMO_SOURCE)
    if options.against is not None:
        return load_checkpoint(options.against, config=options.config)
    try:
        return load_recorded(recorded.source, config=options.config)
    except CheckpointError as error:
        raise CheckpointError(
            "the checkpoint that the bundle was exported from cannot be loaded",
            got=f"{recorded.source}: {error.what}",
            expected="the same weights, wherever they lie now",
            fix="groupvit verify BUNDLE --against CHECKPOINT",
        ) from error


def _seal_notes(bundle: OpenBundle) -> list[str]:
    return [] if is_manifest_sealed(bundle) else ["manifest.json was changed after the export"]


def _fingerprint_notes(bundle: OpenBundle, checkpoint: Checkpoint) -> list[str]:
    recorded = bundle.manifest.fingerprint
    if checkpoint.fingerprint == recorded:
        return []
    return [
        f"the checkpoint is not the one that the bundle was exported from: fingerprint "
        f"{checkpoint.fingerprint[:16]}..., recorded {recorded[:16]}..."
    ]


def _words(
    bundle: OpenBundle, checkpoint: Checkpoint, labels: tuple[str, ...] | None
) -> tuple[ClassPrompts, Cell]:
    manifest = bundle.manifest
    if manifest.tokenizer is None:
        raise UsageError(
            "the bundle has no tokenizer, so its text engine cannot be asked for words",
            expected="a bundle with one",
            fix="export the bundle with --tokenizer PATH",
        )
    path = manifest.tokenizer.verify(bundle.root)
    words = class_words(
        path, manifest.model, manifest.prompts, labels, nvlabs_cleaning=manifest.cleans_as_nvlabs
    )
    return words, _token_ids_cell(checkpoint, sentences(words.names, manifest.prompts), path)


def _token_ids_cell(checkpoint: Checkpoint, sentences: list[str], path: Path) -> Cell:
    try:
        theirs = None if checkpoint.folder is None else find_tokenizer(checkpoint.folder)
    except CheckpointError:
        theirs = None
    if theirs is None:
        return not_run("the checkpoint has no tokenizer of its own; the bundle's was taken as given")
    ours = RawTokenizer.from_file(str(path))
    differing = [s for s in sentences if ours.encode(s).ids != theirs.encode(s).ids]
    first = place(repr(differing[0]), "input_ids", ()) if differing else None
    return count_cell(len(differing), first, f"{len(sentences)} sentences")


def _image_notes(images: ImageSet | None) -> list[str]:
    if images is None:
        return []
    taken, notes = len(images.images), []
    if images.shrunk:
        notes.append(f"{images.shrunk} images were shrunk to {LONG_SIDE} pixels on their long side")
    if taken < images.found:
        notes.append(f"{taken} of {images.found:,} images were taken, spread evenly; --limit N takes more")
    return notes
