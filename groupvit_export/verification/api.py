"""`verify_bundle`: is this bundle the checkpoint's model? For the command line and for one's own tests."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from PIL import Image
from tokenizers import Tokenizer as RawTokenizer

from groupvit_export.checkpoint.load import Checkpoint, build_model, load_checkpoint, load_recorded
from groupvit_export.checkpoint.preprocessor import paper_constants, read_preprocessing
from groupvit_export.checkpoint.tokenizer import find_tokenizer
from groupvit_export.data.bundled import DEMO_CHECKPOINT, DEMO_SOURCE
from groupvit_export.errors import CheckpointError, UsageError
from groupvit_export.graph.capture import capture_image_encoder
from groupvit_export.graph.decode import attach_decode
from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.passes import apply_passes
from groupvit_export.graph.pixel_inputs import pixels_of
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.quantization.options import QuantizationOptions
from groupvit_export.targets.registry import check_target
from groupvit_export.verification.backends import Backend, eager, encoder_in_float64
from groupvit_export.verification.bisect import FirstDivergence, bisect
from groupvit_export.verification.budgets import load_budgets
from groupvit_export.verification.cells import count_cell, place
from groupvit_export.verification.checks.contract import check_architecture, manifest_cells
from groupvit_export.verification.checks.labels import SHOWN, LabeledImage
from groupvit_export.verification.checks.network import network_cells
from groupvit_export.verification.engines import load_backend
from groupvit_export.verification.examine import Candidate, Examination, Plan, examine, label_plan
from groupvit_export.verification.inputs import bundled_scenes, class_words, sentences
from groupvit_export.verification.int8_criteria import (
    apply_int8_criteria,
    recorded_budget,
    reference_precision,
)
from groupvit_export.verification.report import Cell, Report, not_run
from groupvit_export.verification.specification import ClassPrompts, VerificationSpec
from groupvit_export.verification.validation_set import ValidationSet
from groupvit_runtime.contract import CLASSES_INPUT, IMAGE_INPUT, LABELS_OUTPUT, PIXELS_INPUT, SIZE_INPUT
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.manifest import EngineInfo
from groupvit_runtime.open_bundle import OpenBundle, open_bundle
from groupvit_runtime.read_image import list_images, read_image

Progress = Callable[[str], None]

_LONG_SIDE: Final = 1024
"""Of images that are compared pixel by pixel: in float64 the scores of a photograph fill gigabytes."""


@dataclass(frozen=True)
class VerifyOptions:
    """What to verify a bundle against, and on what.

    Attributes:
        images: a folder of images, or None for the scenes that the package ships.
        against: folder, hub id or `.pth`; None for the checkpoint that the manifest names.
        config: a config.json to use instead of the checkpoint's.
        targets: further targets, built from the checkpoint on the spot, as columns beside the bundle's.
        labels: class names for the label maps; None for words that the tokenizer knows.
        limit: at most so many images of the folder, the first by name.
        threads: of the engines; None for their own choice.
        device: "cpu" or "cuda"; None for the target's usual one.
    """

    images: Path | None = None
    against: str | None = None
    config: Path | None = None
    targets: tuple[str, ...] = ()
    labels: tuple[str, ...] | None = None
    limit: int = 100
    threads: int | None = None
    device: str | None = None


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
    manifest = opened.manifest
    precision = manifest.engine("image").precision
    examined = reference_precision(precision)
    if find_divergence and (examined != precision or load_budgets(examined).labels is not None):
        raise UsageError(
            "below float32 every value inside an engine is off, so none of them is the first",
            got=f"--bisect of an engine in {precision}",
            expected="an engine in fp32",
            fix="export the same checkpoint in fp32 and bisect that",
        )
    for target in options.targets:
        check_target(target, precision)
    checkpoint = _checkpoint(opened, options)
    model = build_model(checkpoint)
    image_size = manifest.model.image_size
    normalizes = manifest.engine("image").normalizes
    preprocessing = read_preprocessing(checkpoint.folder, image_size)
    subject = VerificationSpec(
        model, image_size, preprocessing.contracts, paper_constants(image_size), normalizes
    )
    notes = [*_fingerprint_notes(opened, checkpoint), *preprocessing.notes]
    check_architecture(model, manifest.model)
    words, token_ids = _words(opened, checkpoint, options)
    plan, more = _plan(subject, words, options, manifest.engine("image").max_batch)
    engine_options = EngineOptions(device=options.device, threads=options.threads)
    with tempfile.TemporaryDirectory(prefix="groupvit-verify-") as scratch:
        bundles = {_column(opened): opened}
        for target in dict.fromkeys(options.targets):
            progress(f"build the {target} engines from the checkpoint ...")
            built = _build(opened, checkpoint, options, target, Path(scratch) / target)
            bundles[f"{_column(built)}, built here"] = built
        candidates = [
            Candidate(encoder_in_float64(model, image_size, manifest.passes), passes=manifest.passes),
            Candidate(eager(model, examined)),
        ]
        columns: dict[str, OpenBundle] = {}
        in_int8: dict[str, Backend] = {}
        for number, (name, item) in enumerate(bundles.items()):
            folder = Path(scratch) / f"cut-{number}"
            folder.mkdir()
            backend = load_backend(
                name,
                item.manifest.engines,
                item.root,
                subject=subject,
                scratch=folder,
                options=engine_options,
            )
            cells = manifest_cells(subject, item, {**plan.images, **plan.shapes})
            infos = {engine.role: engine for engine in item.manifest.engines}
            cells |= network_cells(infos, item.root, subject.stages)
            if item is opened:
                cells["token ids"] = token_ids
            columns[backend.name] = item
            if precision == "int8":
                in_int8[backend.name] = backend
            candidates.append(Candidate(backend, cells, shown=SHOWN))
        examination = examine(
            subject,
            candidates,
            plan,
            precision=examined,
            bundle=manifest.name,
            checkpoint=checkpoint.source,
            notes=[*notes, *more],
            progress=progress,
        )
        if in_int8:
            held_out = _held_out(opened, subject, options, demo=checkpoint.source == DEMO_SOURCE)
            report = apply_int8_criteria(examination.report, held_out.cells(in_int8, manifest))
            examination = Examination(
                replace(report, notes=(*report.notes, *held_out.notes)), examination.shown
            )
        divergences = (
            _divergences(examination.report, columns, subject, plan, progress) if find_divergence else {}
        )
    return Verification(examination.report, examination.shown, divergences)


def _held_out(
    bundle: OpenBundle, subject: VerificationSpec, options: VerifyOptions, *, demo: bool
) -> ValidationSet:
    manifest = bundle.manifest
    assert manifest.tokenizer is not None  # _words has refused a bundle without
    return ValidationSet.of(
        manifest,
        manifest.tokenizer.verify(bundle.root),
        subject,
        eager(subject.model, "fp32"),
        options.images,
        options.labels,
        demo=demo,
    )


def _checkpoint(bundle: OpenBundle, options: VerifyOptions) -> Checkpoint:
    recorded = bundle.manifest.checkpoint
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


def _fingerprint_notes(bundle: OpenBundle, checkpoint: Checkpoint) -> list[str]:
    recorded = bundle.manifest.checkpoint.fingerprint
    if checkpoint.fingerprint == recorded:
        return []
    return [
        f"the checkpoint is not the one that the bundle was exported from: fingerprint "
        f"{checkpoint.fingerprint[:16]}..., recorded {recorded[:16]}..."
    ]


def _column(bundle: OpenBundle) -> str:
    engine = bundle.manifest.engine("image")
    return f"{engine.target} {engine.precision}"


def _build(
    bundle: OpenBundle, checkpoint: Checkpoint, options: VerifyOptions, target: str, output: Path
) -> OpenBundle:
    manifest = bundle.manifest
    export_bundle(
        ExportOptions(
            target=target,
            precision=manifest.engine("image").precision,
            image_size=manifest.model.image_size,
            output=output,
            templates=manifest.prompts,
            tokenizer=None if manifest.tokenizer is None else manifest.tokenizer.verify(bundle.root),
            passes=manifest.passes,
            allow_failed_parity=True,
            quantization=QuantizationOptions(budget=recorded_budget(manifest.parity)),
        ),
        checkpoint=checkpoint,
    )
    return open_bundle(output)


def _words(bundle: OpenBundle, checkpoint: Checkpoint, options: VerifyOptions) -> tuple[ClassPrompts, Cell]:
    manifest = bundle.manifest
    if manifest.tokenizer is None:
        raise UsageError(
            "the bundle has no tokenizer, so its text engine cannot be asked for words",
            expected="a bundle with one",
            fix="export the bundle with --tokenizer PATH",
        )
    path = manifest.tokenizer.verify(bundle.root)
    words = class_words(path, manifest.model, manifest.prompts, options.labels)
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


def _plan(
    subject: VerificationSpec, words: ClassPrompts, options: VerifyOptions, max_batch: int | None
) -> tuple[Plan, list[str]]:
    images, notes = bundled_scenes(), list[str]()
    if options.images is not None:
        images, notes = _images(options.images, options.limit)
    return label_plan(subject, words, images, max_batch), notes


def _images(folder: Path, limit: int) -> tuple[dict[str, NDArray[np.uint8]], list[str]]:
    paths = list_images(folder)
    images, shrunk = {}, 0
    for path in paths[:limit]:
        rgb = read_image(path)
        if max(rgb.shape[:2]) > _LONG_SIDE:
            shrunk += 1
            image = Image.fromarray(rgb)
            image.thumbnail((_LONG_SIDE, _LONG_SIDE))
            rgb = np.asarray(image)
        images[path.name] = rgb
    notes = []
    if shrunk:
        notes.append(f"{shrunk} images were shrunk to {_LONG_SIDE} pixels on their long side")
    if len(paths) > limit:
        notes.append(f"the first {limit} of {len(paths):,} images were taken; --limit N takes more")
    return images, notes


def _divergences(
    report: Report,
    bundles: Mapping[str, OpenBundle],
    subject: VerificationSpec,
    plan: Plan,
    progress: Progress,
) -> dict[str, FirstDivergence | None]:
    failed = [name for name in bundles if report.column_verdict(name) == "FAIL"]
    if not failed:
        return {}
    progress("capture the graph afresh, to look for the first node ...")
    clean: dict[object, onnx.ModelProto] = {}
    divergences: dict[str, FirstDivergence | None] = {}
    for name in failed:
        place = next(finding.cell.place for finding in report.findings if finding.column == name)
        case = next((c for c in plan.image if place and c.name == place.case), plan.image[0])
        image = place.index[0] if place and place.index and place.index[0] < len(case.value) else 0
        manifest = bundles[name].manifest
        engine = manifest.engine("image")
        key = (engine.normalizes, tuple(tensor.name for tensor in engine.inputs), manifest.passes)
        if key not in clean:
            clean[key] = _clean_graph(subject, engine, manifest.passes)
        progress(f"bisect {name} ...")
        divergences[name] = bisect(
            clean[key],
            engine.target,
            engine.files[0].locate(bundles[name].root),
            _feeds(subject, engine, case.value[image : image + 1]),
        )
    return divergences


def _clean_graph(subject: VerificationSpec, engine: EngineInfo, passes: Sequence[str]) -> onnx.ModelProto:
    """The graph of an engine with these inputs, from the checkpoint."""
    spec = None if engine.normalizes is None else getattr(subject.contracts, engine.normalizes)
    encoder = ImageEncoder(subject.model, subject.image_size, spec)
    apply_passes(encoder, passes)
    graph = capture_image_encoder(encoder)
    if _decodes(engine):
        attach_decode(graph, subject.image_size, subject.model.config.projection_dim)
    return graph


def _feeds(
    subject: VerificationSpec, engine: EngineInfo, pixel_values: NDArray[np.float32]
) -> dict[str, NDArray[Any]]:
    feeds: dict[str, NDArray[Any]] = {IMAGE_INPUT: np.ascontiguousarray(pixel_values)}
    if engine.normalizes is not None:
        feeds = {PIXELS_INPUT: pixels_of(pixel_values, getattr(subject.contracts, engine.normalizes))}
    if _decodes(engine):
        width = subject.model.config.projection_dim
        # The first axes as classes: what is decoded is of no interest where an output is off before.
        feeds[CLASSES_INPUT] = np.eye(min(width, 8), width, dtype=np.float32)
        feeds[SIZE_INPUT] = np.array(subject.image_size, np.int64)
    return feeds


def _decodes(engine: EngineInfo) -> bool:
    return any(tensor.name == LABELS_OUTPUT for tensor in engine.outputs)
