"""Checkpoint to bundle: the steps of `groupvit export`, in order."""

from __future__ import annotations

import datetime
import re
import shlex
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final

import onnx
import torch

from groupvit_export.bundle import engine_info, model_info
from groupvit_export.checkpoint import Checkpoint, build_model, load_checkpoint
from groupvit_export.demo import DEMO_CHECKPOINT, DEMO_NAME, DEMO_SOURCE
from groupvit_export.errors import CheckpointError, ParityError, UsageError
from groupvit_export.graph import checks, metadata
from groupvit_export.graph.capture import capture_image_encoder
from groupvit_export.graph.decode import attach_decode
from groupvit_export.graph.encoders import ImageEncoder, TextEncoder
from groupvit_export.graph.passes import PASSES, apply_passes, check_passes
from groupvit_export.graph.precision import HALVES, TypedGraph, in_precision
from groupvit_export.graph.text_capture import TextCapture
from groupvit_export.lowering import Quantization, Speech, read_calibration
from groupvit_export.model.groupvit import GroupViTModel
from groupvit_export.preprocessor import paper_decode, preprocessings
from groupvit_export.quality.decoding import Decoding
from groupvit_export.quality.pictures import bundled_pictures
from groupvit_export.quantization.options import QuantizationOptions
from groupvit_export.targets import (
    TARGETS,
    Build,
    BuildRequest,
    check_decode_in_graph,
    check_device,
    check_input,
    check_target,
    check_trt_options,
    load_target,
)
from groupvit_export.tokenizers import find_tokenizer
from groupvit_export.torch_package.toolchain import check_toolchain
from groupvit_export.trt.choose import choose_flavor
from groupvit_export.trt.options import TrtOptions, command_line
from groupvit_export.verify.budgets import load_budgets
from groupvit_export.verify.engines import load_backend
from groupvit_export.verify.examine import Candidate, examine, synthetic_plan
from groupvit_export.verify.material import bundled_scenes, class_words, pictures_for_windows
from groupvit_export.verify.network import network_cells
from groupvit_export.verify.quantized import examined_as, judged_as_int8
from groupvit_export.verify.report import Report
from groupvit_export.verify.subject import Subject, Words
from groupvit_runtime.contract import LABELS_OUTPUT, TEXT_OUTPUT
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.files import check_replaceable, staged_folder
from groupvit_runtime.manifest import (
    MANIFEST_NAME,
    SCHEMA_VERSION,
    CheckpointInfo,
    DecodeInfo,
    DecodeName,
    EngineInfo,
    FileInfo,
    Manifest,
    ParitySummary,
    PrecisionRow,
    QuantizationInfo,
    Role,
    check_decode,
)
from groupvit_runtime.prompts import resolve_templates

Progress = Callable[[str], None]
ProgressReport = Callable[[str, float, float], None]

_TOKENIZER_NAME = "tokenizer.json"
_ROLES: Final[tuple[Role, ...]] = ("image", "text")


@dataclass(frozen=True)
class ExportOptions:
    """What to export; every default is what the command line documents.

    Attributes:
        target, precision: a line of the target table and one of its precisions.
        checkpoint: folder, hub id or `.pth`; None for the demo.
        image_size: (height, width) in pixels; None for the checkpoint's own.
        output: the bundle's folder; None to name it after checkpoint, target and precision.
        force: replace an existing bundle.
        templates: prompt templates, each with one `{}`; None for the checkpoint's usual ones.
        decode: default decode; None for `hf`, or `paper` for an NVlabs checkpoint.
        tokenizer, config: files to use instead of what comes with the checkpoint.
        passes: names of the graph passes to apply.
        allow_failed_parity: write the bundle even where an engine is not the model; the manifest says so
            and the runtime warns.
        trt: how the target `trt` builds.
        quantization: how int8 is made.
        device: "cpu" or "cuda", that the target `torch` compiles for; None for its usual one, the CPU.
        input: "float32" for normalised pictures, "uint8" for pixels that the engine normalises as the default
            decode does.
        decode_in_graph: whether the image engine makes label maps too, by the `hf` decode.
        command: recorded in the manifest.
    """

    target: str
    precision: str = "fp32"
    checkpoint: str | None = None
    image_size: tuple[int, int] | None = None
    output: Path | None = None
    force: bool = False
    templates: tuple[str, ...] | None = None
    decode: DecodeName | None = None
    tokenizer: Path | None = None
    config: Path | None = None
    passes: tuple[str, ...] = tuple(PASSES)
    allow_failed_parity: bool = False
    trt: TrtOptions = field(default_factory=TrtOptions)
    quantization: QuantizationOptions = field(default_factory=QuantizationOptions)
    device: str | None = None
    input: str = "float32"
    decode_in_graph: bool = False
    command: str = "groupvit_export.pipeline.export_bundle"


@dataclass(frozen=True)
class ExportResult:
    """The bundle's folder, its manifest, and seconds by step."""

    path: Path
    manifest: Manifest
    seconds: dict[str, float]


def bundle_path(options: ExportOptions) -> Path:
    """Where the bundle goes."""
    if options.output is not None:
        return options.output
    name = _checkpoint_name(options.checkpoint)
    return Path(f"{name}-{options.target}-{options.precision}")


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
    _check(options)
    path = bundle_path(options)
    check_replaceable(path, force=options.force)
    pictures = read_calibration(options.quantization)
    build = load_target(options.target)
    device = options.device or "cpu"
    if options.target == "trt":
        progress(f"note: {choose_flavor(options.trt).why}")
    if options.target == "torch":
        check_toolchain(device)
    clock = _Clock(progress)

    with clock.step("load the checkpoint"):
        checkpoint = checkpoint or _load(options)
        model = build_model(checkpoint)
        tokenizer = find_tokenizer(options.tokenizer or _tokenizer_source(checkpoint))
        contracts = preprocessings(checkpoint.folder)
        for remark in checkpoint.notes:
            progress(f"note: {remark}")
    image_size = options.image_size or _own_image_size(model)
    decode = _decode(options, checkpoint, image_size)
    templates = _templates(options)

    with ExitStack() as cleanup, staged_folder(path, force=options.force) as stage:
        tokenizer.save(str(stage / _TOKENIZER_NAME))
        # Before the long steps: a tokenizer of another model is refused here.
        model_facts = model_info(model, image_size, stage / _TOKENIZER_NAME)
        with clock.step("capture the graphs"):
            normalizes = decode.default if options.input == "uint8" else None
            image = ImageEncoder(
                model, image_size, None if normalizes is None else getattr(contracts, normalizes)
            )
            text = TextEncoder(model)
            apply_passes(image, options.passes)
            with TextCapture(text, model.config) as capture:
                graphs: dict[Role, onnx.ModelProto] = {"image": capture_image_encoder(image)}
                graphs["text"] = capture.result()
            if options.decode_in_graph:
                attach_decode(graphs["image"], image_size, model.config.projection_dim)
            typed = _typed(graphs, image, checkpoint, options, progress)
        modules: dict[Role, torch.nn.Module] = {"image": image, "text": text}
        requests: dict[Role, BuildRequest] = {
            role: BuildRequest(
                role=role,
                precision=options.precision,
                module=modules[role],
                device=device,
                text_max_length=model_facts.text_max_length,
                trt=options.trt,
                rebuild=_rebuild(options),
                report=report,
            )
            for role in _ROLES
        }
        make = partial(_build_engine, build, options.target, normalizes)
        make_text = partial(_build_engine, build, options.target, None)
        scratch = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="groupvit-trials-")))
        subject = Subject(model, image_size, contracts, paper_decode(image_size), normalizes)
        quantization: Quantization | None = None
        with clock.step(f"build the {options.target} engines"):
            # Words are better kept in float32: they are encoded once, and every picture is read by them.
            precision = "fp32" if options.precision == "int8" else options.precision
            text_engine = make_text(precision, typed["text"], stage, requests["text"])
            if options.precision != "int8":
                image_engine = make(precision, typed["image"], stage, requests["image"])
        if options.precision == "int8":
            with clock.step("quantise the image engine"):
                speech = Speech(stage / _TOKENIZER_NAME, model_facts, templates, text_engine, stage)
                quantization = Quantization.make(
                    typed["image"].model,
                    pictures or bundled_pictures(with_truth=checkpoint.source == DEMO_SOURCE),
                    options.quantization.budget,
                    Decoding.of(decode.default, image_size, contracts, decode.paper, subject.logit_scale),
                    None if normalizes is None else getattr(contracts, normalizes),
                    speech,
                    partial(make, request=requests["image"]),
                    scratch,
                    note=progress,
                    report=report,
                )
                image_engine = make(
                    "int8", quantization.image.graph, stage, requests["image"], quantization.image.info
                )
        engines = (image_engine, text_engine)
        with clock.step("compare with the reference"):
            words = class_words(stage / _TOKENIZER_NAME, model_facts, templates)
            found = _verify(
                subject, words, engines, stage, options, checkpoint.source, decode.default, quantization
            )
            parity = found.summary(found.columns[0].name)
            if parity.verdict == "FAIL" and not options.allow_failed_parity:
                raise _failed(parity)
        precisions: tuple[PrecisionRow, ...] = ()
        if quantization is not None:
            with clock.step("put the precisions side by side"):
                fp32_verdict = found.column_verdict(found.columns[1].name)
                precisions = quantization.rows(image_engine, stage, parity.verdict, fp32_verdict)
        manifest = Manifest(
            schema_version=SCHEMA_VERSION,
            name=path.name,
            created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            command=options.command,
            toolkit_version=version("groupvit-export"),
            checkpoint=CheckpointInfo(
                source=checkpoint.source, format=checkpoint.format, fingerprint=checkpoint.fingerprint
            ),
            model=model_facts,
            engines=engines,
            tokenizer=FileInfo.of(stage, _TOKENIZER_NAME),
            prompts=templates,
            preprocessing=contracts,
            decode=decode,
            passes=options.passes,
            parity=parity,
            precisions=precisions,
        )
        (stage / MANIFEST_NAME).write_text(manifest.to_text(), encoding="utf-8")
    return ExportResult(path=path, manifest=manifest, seconds=clock.seconds)


def _check(options: ExportOptions) -> None:
    """Refuse what was asked for wrongly, before anything long."""
    check_target(options.target, options.precision)
    check_trt_options(options.target, options.trt)
    check_device(options.target, options.device)
    check_passes(options.passes)
    check_input(options.input)
    check_decode_in_graph(options.target, options.precision, options.decode_in_graph)
    if options.decode is not None:
        check_decode(options.decode)


class _Clock:
    """Announces steps and remembers how long each took."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.seconds: dict[str, float] = {}

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        self._progress(f"{name} ...")
        start = time.perf_counter()
        yield
        self.seconds[name] = time.perf_counter() - start
        self._progress(f"{name}: {self.seconds[name]:.1f} s")


def _load(options: ExportOptions) -> Checkpoint:
    if options.checkpoint is not None:
        return load_checkpoint(options.checkpoint, config=options.config)
    demo = load_checkpoint(DEMO_CHECKPOINT, config=options.config)
    return replace(demo, source=DEMO_SOURCE)


def _checkpoint_name(checkpoint: str | None) -> str:
    if checkpoint is None:
        return DEMO_NAME
    # A folder given as "." or "models/" still has a name.
    path = Path(checkpoint)
    name = path.resolve().name if path.exists() else path.name
    stem = name[: -len(".pth")] if name.endswith(".pth") else name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.") or "checkpoint"


def _own_image_size(model: GroupViTModel) -> tuple[int, int]:
    rows, columns = model.config.vision_config.patch_grid
    patch = model.config.vision_config.patch_size
    return rows * patch, columns * patch


def _decode(options: ExportOptions, checkpoint: Checkpoint, image_size: tuple[int, int]) -> DecodeInfo:
    paper = paper_decode(image_size)
    usual: DecodeName = "paper" if checkpoint.format == "nvlabs" and paper else "hf"
    if options.decode == "paper" and paper is None:
        raise UsageError(
            "the paper decode cuts pictures into square windows, and this engine would not be square",
            got=f"an image size of {image_size[0]}x{image_size[1]}",
            expected="a square one, or the hf decode",
            fix=f"--image-size {min(image_size)}, or --decode hf",
        )
    return DecodeInfo(default=options.decode or usual, paper=paper)


def _tokenizer_source(checkpoint: Checkpoint) -> Path:
    if checkpoint.folder is None:
        raise CheckpointError(
            "this kind of checkpoint comes without a tokenizer",
            got=checkpoint.source,
            expected="the path of one",
            fix="--tokenizer PATH: a tokenizer.json, or CLIP's bpe_simple_vocab_16e6.txt.gz",
        )
    return checkpoint.folder


def _templates(options: ExportOptions) -> tuple[str, ...]:
    return resolve_templates("simple" if options.templates is None else options.templates)


def _typed(
    graphs: Mapping[Role, onnx.ModelProto],
    image: ImageEncoder,
    checkpoint: Checkpoint,
    options: ExportOptions,
    progress: Progress,
) -> dict[Role, TypedGraph]:
    """The captured graphs by role, described, in the precision that the target builds from, and checked."""
    # What is not typed here is typed by its builder, and int8 is quantised afterwards.
    in_graph = TARGETS[options.target].typed and options.precision in HALVES
    precision = options.precision if in_graph else "fp32"
    labels = (LABELS_OUTPUT,) if options.decode_in_graph else ()
    outputs: dict[Role, tuple[str, ...]] = {
        "image": (*image.output_names(), *labels),
        "text": (TEXT_OUTPUT,),
    }
    grouping_nodes: dict[Role, int] = {"image": len(image.grouping_blocks()), "text": 0}
    typed: dict[Role, TypedGraph] = {}
    for role, graph in graphs.items():
        _describe(graph, role, checkpoint, image, options)
        typed[role] = in_precision(graph, precision)
        checks.check_graph(typed[role].model, outputs=outputs[role], grouping_nodes=grouping_nodes[role])
        if typed[role].kept:
            progress(f"note: {role}: {_kept(typed[role])}")
    return typed


def _describe(
    graph: onnx.ModelProto, role: Role, checkpoint: Checkpoint, encoder: ImageEncoder, options: ExportOptions
) -> None:
    names = [value.name for value in (*graph.graph.input, *graph.graph.output)]
    metadata.describe(
        graph,
        title=f"groupvit_{role}_encoder",
        text=f"GroupViT {role} encoder (arXiv:2202.11094), exported by groupvit-export",
        version=version("groupvit-export"),
        properties={
            "checkpoint": checkpoint.source,
            "checkpoint_sha256": checkpoint.fingerprint,
            "image_size": "x".join(map(str, encoder.image_size)),
            "passes": ",".join(options.passes) or "none",
            "precision": options.precision,
            "torch": torch.__version__,
        },
        tensors={name: metadata.tensor_documentation(role, name) for name in names},
    )


def _rebuild(options: ExportOptions) -> str:
    """The command line that makes the same bundle."""
    if options.command != ExportOptions(options.target).command:
        return options.command
    words = ["groupvit", "export", "--target", options.target, "--precision", options.precision]
    words += [] if options.checkpoint is None else ["--checkpoint", options.checkpoint]
    words += [] if options.device is None else ["--device", options.device]
    words += [] if options.input == "float32" else ["--input", options.input]
    words += ["--decode-in-graph"] if options.decode_in_graph else []
    return " ".join(filter(None, (shlex.join(words), command_line(options.trt))))


def _kept(graph: TypedGraph) -> str:
    reasons = Counter(graph.kept.values())
    parts = ", ".join(f"{reason} ({count})" for reason, count in reasons.items())
    return f"{len(graph.kept)} of {len(graph.model.graph.node)} nodes stay in float32: {parts}"


def _build_engine(
    build: Build,
    target: str,
    normalizes: DecodeName | None,
    precision: str,
    graph: TypedGraph,
    folder: Path,
    request: BuildRequest,
    quantization: QuantizationInfo | None = None,
) -> EngineInfo:
    built = build(graph.model, folder, request)
    return engine_info(
        graph.model,
        folder,
        role=request.role,
        target=target,
        precision=precision,
        files=built.files,
        versions=built.versions,
        hardware=built.hardware,
        kept=graph.kept,
        source=built.source,
        tensorrt=built.tensorrt,
        normalizes=normalizes,
        quantization=quantization,
    )


def _verify(
    subject: Subject,
    words: Words,
    engines: Sequence[EngineInfo],
    folder: Path,
    options: ExportOptions,
    source: str,
    decode: DecodeName,
    quantization: Quantization | None,
) -> Report:
    """The comparison of `groupvit verify` on synthetic pictures; label maps where they decide, as decoded.

    The first column is what was exported; of int8 the second is float32.
    """
    infos = {engine.role: engine for engine in engines}
    max_batch = infos["image"].max_batch
    budgets = examined_as(options.precision)
    plan = synthetic_plan(subject, max_batch)
    if load_budgets(budgets).labels is not None:
        shapes = pictures_for_windows(subject.image_size[0]) if decode == "paper" else {}
        plan = replace(plan, pictures=bundled_scenes(), shapes=shapes, words=words)
    named = [(options.precision, engines, folder)]
    if quantization is not None:
        named.append(("fp32", quantization.float_engines, quantization.float_folder))
    with tempfile.TemporaryDirectory(prefix="groupvit-verify-") as scratch:
        candidates = []
        for precision, own, root in named:
            cut = Path(scratch) / precision
            cut.mkdir()
            backend = load_backend(
                f"{options.target} {precision}",
                own,
                root,
                subject=subject,
                scratch=cut,
                options=EngineOptions(),
            )
            cells = network_cells({engine.role: engine for engine in own}, root, subject.stages)
            candidates.append(Candidate(backend, cells, passes=options.passes))
        report = examine(
            subject,
            candidates,
            plan,
            precision=budgets,
            bundle=folder.name,
            checkpoint=source,
        ).report
    if quantization is None:
        return report
    return judged_as_int8(report, {report.columns[0].name: quantization.label_cells()})


def _failed(parity: ParitySummary) -> ParityError:
    return ParityError(
        "the engine does not equal the reference; no bundle was written",
        got=parity.first,
        expected="every output within its budget and no token in another group beyond its margin",
        fix="install the versions of constraints.txt; to look into it, export with --allow-failed-parity "
        "and run groupvit verify BUNDLE --bisect",
    )
