"""What a bundle is held against, loaded: its checkpoint, images and words, and what its manifest decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from tokenizers import Tokenizer as RawTokenizer

from groupvit_export.checkpoint.load import Checkpoint, build_model, load_checkpoint, load_recorded
from groupvit_export.checkpoint.preprocessor import paper_constants, read_preprocessing
from groupvit_export.checkpoint.tokenizer import find_tokenizer
from groupvit_export.data.bundled import DEMO_CHECKPOINT, DEMO_SOURCE
from groupvit_export.data.images import ImageSet, read_images
from groupvit_export.errors import CheckpointError, UsageError
from groupvit_export.provenance import Provenance, is_manifest_sealed
from groupvit_export.verification.cells import count_cell
from groupvit_export.verification.checks.contract import check_architecture, manifest_cells
from groupvit_export.verification.details import (
    Caution,
    ChosenImages,
    Counted,
    Note,
    OtherCheckpoint,
    Remark,
    ShrunkImages,
    Total,
    TurnedImages,
)
from groupvit_export.verification.examine import Plan, label_plan
from groupvit_export.verification.inputs import bundled_scenes, class_words, sentences
from groupvit_export.verification.options import VerifyOptions
from groupvit_export.verification.report import Cell, Place, not_run
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_export.verification.specification import VerificationSpec
from groupvit_export.verification.validation_set import ValidationSet
from groupvit_runtime.open_bundle import OpenBundle


@dataclass(frozen=True, eq=False)
class Prepared:
    """What a bundle is held against.

    Attributes:
        checkpoint: loaded.
        subject: what it says.
        plan: what is run.
        recorded: rows that the manifest and the tokenizer decide.
        validation: of int8, the images that it was not calibrated on; None of another precision.
        notes: what a reader must know.
    """

    checkpoint: Checkpoint
    subject: VerificationSpec
    plan: Plan
    recorded: Mapping[RowKey, Cell]
    validation: ValidationSet | None
    notes: tuple[Note, ...]


def prepare(opened: OpenBundle, provenance: Provenance, options: VerifyOptions) -> Prepared:
    """Load what a bundle is held against.

    Raises:
        GroupViTError: checkpoint or images cannot be used, or are not for this bundle.
    """
    manifest = opened.manifest
    engine = manifest.engine("image")
    images = None if options.images is None else read_images(options.images, options.limit)
    checkpoint = _checkpoint(provenance, options)
    model, size = build_model(checkpoint), manifest.model.image_size
    preprocessing = read_preprocessing(checkpoint.folder, size)
    subject = VerificationSpec(model, size, preprocessing.contracts, paper_constants(size), engine.normalizes)
    check_architecture(model, manifest.model)
    tokenizer = _tokenizer(opened)
    prompts = partial(
        class_words,
        tokenizer,
        manifest.model,
        manifest.prompts,
        nvlabs_cleaning=manifest.cleans_as_nvlabs,
    )
    words = prompts(options.labels)
    taken = bundled_scenes(options.limit) if images is None else images.images
    plan = label_plan(subject, words, taken, engine.max_batch, options.limit)
    validation = None
    if engine.precision == "int8":
        validation = ValidationSet.of(
            subject.decoding(manifest.decode.default),
            provenance.engine("image").quantization,
            prompts,
            images,
            options.labels,
            options.limit,
            demo=checkpoint.source == DEMO_SOURCE,
        )
    return Prepared(
        checkpoint=checkpoint,
        subject=subject,
        plan=plan,
        recorded={
            **manifest_cells(subject, opened, {**plan.images, **plan.shapes}),
            RowKey(RowKind.TOKEN_IDS): _token_ids_cell(
                checkpoint, sentences(words.names, manifest.prompts), tokenizer
            ),
        },
        validation=validation,
        notes=(
            *_bundle_notes(opened, checkpoint),
            *preprocessing.notes,
            *_image_notes(images, options.limit),
            *(() if validation is None else validation.notes),
        ),
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


def _bundle_notes(bundle: OpenBundle, checkpoint: Checkpoint) -> list[Note]:
    notes: list[Note] = [] if is_manifest_sealed(bundle) else [Caution.MANIFEST_CHANGED]
    recorded = bundle.manifest.fingerprint
    if checkpoint.fingerprint != recorded:
        notes.append(OtherCheckpoint(checkpoint.fingerprint, recorded))
    return notes


def _tokenizer(bundle: OpenBundle) -> Path:
    if bundle.manifest.tokenizer is None:
        raise UsageError(
            "the bundle has no tokenizer, so its text engine cannot be asked for words",
            expected="a bundle with one",
            fix="export the bundle with --tokenizer PATH",
        )
    return bundle.manifest.tokenizer.verify(bundle.root)


def _token_ids_cell(checkpoint: Checkpoint, sentences: list[str], path: Path) -> Cell:
    try:
        theirs = None if checkpoint.folder is None else find_tokenizer(checkpoint.folder)
    except CheckpointError:
        theirs = None
    if theirs is None:
        return not_run(Remark.NO_TOKENIZER)
    ours = RawTokenizer.from_buffer(path.read_bytes())
    differing = [s for s in sentences if ours.encode(s).ids != theirs.encode(s).ids]
    first = Place(repr(differing[0]), "input_ids", ()) if differing else None
    return count_cell(len(differing), first, Total(len(sentences), Counted.SENTENCES))


def _image_notes(images: ImageSet | None, limit: int) -> list[Note]:
    if images is None:
        found = len(bundled_scenes())
        return [] if limit >= found else [ChosenImages(limit, found)]
    taken = len(images.images)
    notes: list[Note] = [TurnedImages(images.turned, taken)] if images.turned else []
    if images.shrunk:
        notes.append(ShrunkImages(images.shrunk))
    if taken < images.found:
        notes.append(ChosenImages(taken, images.found))
    return notes
