"""A bundle that is measured: loaded, with its words, and ready to be called."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from groupvit_export.benchmark.c_interface import LIBRARY_NAME, CppSegmenter, Library
from groupvit_export.benchmark.calls import Caller, StageClock
from groupvit_export.benchmark.copies import INSIDE_LIBRARY, ON_CPU, Copies, measure_copies
from groupvit_export.benchmark.settings import RunConfig, Setting
from groupvit_export.benchmark.stages import LIBRARY
from groupvit_export.data.bundled import DEMO_LABELS, DEMO_SOURCE
from groupvit_export.errors import UsageError
from groupvit_export.provenance import find_provenance
from groupvit_export.utf8 import utf8_text
from groupvit_runtime.choose_engine import choose_image_engine
from groupvit_runtime.engines import ENGINES, EngineOptions
from groupvit_runtime.load_checks import warn_of_failed_parity, warn_of_precision
from groupvit_runtime.manifest import DecodeName, EngineInfo, Manifest, check_decode
from groupvit_runtime.open_bundle import OpenBundle, open_bundle
from groupvit_runtime.processor import processor_flags
from groupvit_runtime.prompts import check_labels, resolve_templates
from groupvit_runtime.read_image import read_image
from groupvit_runtime.segmenter import Image, Labels, Segmenter
from groupvit_runtime.temporary import scratch_folder
from groupvit_runtime.vocabulary import Vocabulary
from groupvit_runtime.windows import plan_windows


@dataclass(frozen=True)
class BundleFacts:
    """Which bundle was measured.

    Attributes:
        name: of its folder or file; numbered where the same was given twice.
        path: as it was given.
        target: that it was exported for.
        precision: of the image engine that is measured, as exported.
        image_size: (height, width) of the engine's input.
        fingerprint: of the weights.
        manifest_sha256: of the manifest without cached vocabularies, as `groupvit eval` records it.
    """

    name: str
    path: str
    target: str
    precision: str
    image_size: tuple[int, int]
    fingerprint: str
    manifest_sha256: str


@dataclass(frozen=True)
class BenchTarget:
    """A bundle on disk, opened once for all measurements; the engine is loaded for every setting anew."""

    facts: BundleFacts
    bundle: OpenBundle
    labels: Labels | str
    templates: str | Sequence[str] | None
    image_engine: EngineInfo
    """That is measured."""

    def decode(self, fixed: RunConfig) -> DecodeName:
        """The decode that is measured."""
        return check_decode(fixed.decode or self.bundle.manifest.decode.default)


@dataclass(frozen=True)
class Loaded:
    """A bundle with its engine loaded for one setting.

    Attributes:
        caller: segments the image once for every place of the batch.
        engine: runtime, version, device and precision that are really in use.
        vocabulary: its words.
        copies: between host and device.
        versions: of what runs it, beyond Python's packages.
    """

    caller: Caller
    engine: str
    vocabulary: Vocabulary
    copies: Copies
    versions: Mapping[str, str] = field(default_factory=dict)


def open_subjects(
    paths: Sequence[str],
    labels: Labels | str | None,
    templates: str | Sequence[str] | None,
    precisions: Sequence[str] = (),
    device: str | None = None,
) -> tuple[BenchTarget, ...]:
    """Open the bundles.

    Args:
        paths: folders or zipped ones; the same may come twice.
        labels: class names, or the name of a vocabulary that every bundle has; None for the demo's own.
        templates: prompt templates; None for the bundle's own.
        precisions: image engines of every bundle; none for the one that a runtime takes by itself.
        device: that was asked for.

    Raises:
        BundleError: one is not there, damaged, or of another schema.
        UsageError: no labels, and a bundle that is not the demo's; a bundle without one of the precisions.
    """
    subjects = []
    for name, path in zip(_names(paths), paths, strict=True):
        bundle = open_bundle(Path(path))
        for precision in precisions or (None,):
            choice = choose_image_engine(bundle.manifest, precision, device, processor_flags())
            full_name = f"{name} {precision}" if len(precisions) > 1 else name
            facts = _facts(full_name, path, bundle.manifest, choice.engine)
            words = _labels(labels, path, bundle)
            subjects.append(BenchTarget(facts, bundle, words, templates, choice.engine))
    return tuple(subjects)


def load(
    subject: BenchTarget, setting: Setting, fixed: RunConfig, image: Path, size: tuple[int, int]
) -> Loaded:
    """Load the engine and encode the words.

    Args:
        subject: the bundle.
        setting: threads, batch and streams; an engine that has streams gets as many as there are callers.
        fixed: device, decode and runtime.
        image: file that every call decodes.
        size: (height, width) of the image.

    Raises:
        EngineError: the engine cannot run here as asked.
        LabelError: the labels cannot be used.
        UsageError: the engine does not take such a batch.
        CppError: the C++ runtime refused.
    """
    if fixed.runtime == "cpp":
        return _load_cpp(subject, setting, fixed, image)
    stages = StageClock()
    decode = subject.decode(fixed)
    several = setting.streams > 1 and _has_streams(subject)
    options = EngineOptions(
        device=fixed.device, threads=setting.threads, streams=setting.streams if several else None
    )
    segmenter = Segmenter(
        subject.bundle, options, decode, setting.batch, stages, precision=subject.facts.precision
    )
    warn_of_failed_parity(segmenter.manifest)
    warn_of_precision(segmenter.manifest, segmenter.image_engine, options.device)
    vocabulary = segmenter.vocabulary(subject.labels, templates=subject.templates)
    images: list[Image] = [image] * setting.batch
    info = subject.image_engine
    return Loaded(
        caller=Caller(lambda: segmenter(images, vocabulary), stages),
        engine=segmenter.engine_description,
        vocabulary=vocabulary,
        copies=measure_copies(
            info, segmenter.device, engine_batches(subject.bundle.manifest, decode, setting, size)
        ),
    )


def _load_cpp(subject: BenchTarget, setting: Setting, fixed: RunConfig, image: Path) -> Loaded:
    stages = StageClock()
    vocabulary = _words(subject)
    library = Library(fixed.library or LIBRARY_NAME)
    segmenter = CppSegmenter(
        library,
        subject.bundle.root,
        device=fixed.device,
        threads=setting.threads or 0,
        streams=setting.streams if setting.streams > 1 and _has_streams(subject) else 0,
        decode=subject.decode(fixed),
        batch_size=setting.batch,
        precision=subject.facts.precision,
    )
    with scratch_folder("words") as folder:
        file = folder / "words.safetensors"
        vocabulary.save(file)
        words = segmenter.open_file(file)

    def call() -> object:
        with stages("read"):
            pixels = read_image(image)
        with stages(LIBRARY):
            return segmenter.label_map(pixels, words)

    device = fixed.device or ENGINES[subject.image_engine.target].devices[0]
    return Loaded(
        caller=Caller(call, stages),
        engine=segmenter.engine,
        vocabulary=vocabulary,
        copies=Copies(None, None, ON_CPU if device == "cpu" else INSIDE_LIBRARY),
        versions={"groupvit-cpp": library.version},
    )


def _words(subject: BenchTarget) -> Vocabulary:
    """Encoded by the Python runtime, whose text engine alone is loaded, and that only for names."""
    labels, bundle = subject.labels, subject.bundle
    if isinstance(labels, Vocabulary):
        bundle.check_fits(labels)
        return labels
    if isinstance(labels, str):
        return bundle.vocabulary(labels)
    # Imported here, as the runtime does: a cached vocabulary needs neither tokenizer nor this engine.
    from groupvit_runtime.text_encoder import TextEncoder

    templates = bundle.manifest.prompts if subject.templates is None else resolve_templates(subject.templates)
    return TextEncoder(bundle, EngineOptions()).encode(check_labels(labels), templates)


def _has_streams(subject: BenchTarget) -> bool:
    return ENGINES[subject.image_engine.target].streams


def engine_batches(
    manifest: Manifest, decode: DecodeName, setting: Setting, size: tuple[int, int]
) -> list[int]:
    """How many images or windows the engine is given in every run of one call."""
    if decode == "hf" or manifest.decode.paper is None:
        return [setting.batch]
    windows = len(plan_windows(size, manifest.decode.paper.window).boxes)
    full, rest = divmod(windows, setting.batch)
    return ([setting.batch] * full + ([rest] if rest else [])) * setting.batch


def _names(paths: Sequence[str]) -> list[str]:
    short = {path: utf8_text(Path(path).resolve().name) for path in paths}
    several = list(short.values())
    names = [path if several.count(short[path]) > 1 else short[path] for path in paths]
    return [
        name if names.index(name) == place else f"{name} ({names[: place + 1].count(name)})"
        for place, name in enumerate(names)
    ]


def _labels(labels: Labels | str | None, path: str, bundle: OpenBundle) -> Labels | str:
    if labels is not None:
        return labels
    provenance = find_provenance(bundle)
    source = "an unknown checkpoint" if provenance is None else provenance.checkpoint.source
    if source == DEMO_SOURCE:
        return DEMO_LABELS
    raise UsageError(
        "it was not said which classes to look for",
        got=f"{path}, a bundle of {source}",
        expected="--labels, --labels-file or --vocab; only the demo has labels of its own",
        fix='--labels "a cat,a dog,grass"',
    )


def _facts(name: str, path: str, manifest: Manifest, image: EngineInfo) -> BundleFacts:
    text = replace(manifest, vocabularies=()).to_text()
    return BundleFacts(
        name=name,
        path=path,
        target=image.target,
        precision=image.precision,
        image_size=manifest.model.image_size,
        fingerprint=manifest.fingerprint,
        manifest_sha256=hashlib.sha256(text.encode()).hexdigest(),
    )
