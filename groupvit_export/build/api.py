"""Checkpoint to engines: the long steps, in order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from groupvit_export.build.clock import Clock, ProgressReport
from groupvit_export.build.engines import EngineBuilder, Engines
from groupvit_export.build.graphs import Graphs, capture_graphs
from groupvit_export.build.int8 import CandidateBuilder, Quantization, TextPipeline
from groupvit_export.build.manifest_parts import model_info
from groupvit_export.build.options import BuildOptions
from groupvit_export.build.source import Source
from groupvit_export.data.images import ImageSet
from groupvit_export.graph.metadata import with_property
from groupvit_export.graph.precision import HALVES, TypedGraph, in_precision
from groupvit_export.targets.registry import TARGETS, check_options
from groupvit_runtime.manifest import EngineInfo, FileInfo, ModelInfo

TOKENIZER_NAME: Final = "tokenizer.json"


@dataclass(frozen=True, eq=False)
class Build:
    """Engines, and what they were made of.

    Attributes:
        engines: what was built.
        model: dimensions for the runtime.
        tokenizer: tokenizer.json beside the engines.
        quantization: of int8; None where the precision is another.
        graphs: that the engines were built from.
        builder: builds them, in other precisions too.
    """

    engines: Engines
    model: ModelInfo
    tokenizer: Path
    quantization: Quantization | None
    graphs: Graphs
    builder: EngineBuilder

    def float32(self, folder: Path) -> Engines:
        """The same model in float32.

        Args:
            folder: where the files are written, if they are not there yet; it is made.
        """
        made = None if self.quantization is None else self.quantization.fp32
        return made or self.builder.float32(self.graphs, folder)


def build_engines(
    source: Source,
    options: BuildOptions,
    folder: Path,
    scratch: Path,
    *,
    images: ImageSet | None,
    rebuild: str,
    clock: Clock,
    report: ProgressReport,
) -> Build:
    """Build the image and the text engine of a checkpoint, with its tokenizer beside them.

    Args:
        source: the loaded checkpoint.
        options: what to build, checked.
        folder: where the files are written.
        scratch: a folder for what is tried; it must outlive what is returned.
        images: of int8, for the ranges and to judge them; None for the package's own.
        rebuild: the command that makes the engines anew.
        clock: announces and times the steps.
        report: told how far a long step is.

    Raises:
        GroupViTError: a step failed.
    """
    target = TARGETS[options.target]
    tokenizer = folder / TOKENIZER_NAME
    tokenizer.write_text(source.tokenizer.to_str(pretty=True), encoding="utf-8")
    # Before the long steps: a tokenizer of another model is refused here.
    model = model_info(source.model, source.image_size, tokenizer)
    with clock.step("capture the graphs"):
        graphs = capture_graphs(source, options, clock.note)
    builder = EngineBuilder(
        target=target,
        options=check_options(options.target, options.target_options),
        rebuild=rebuild,
        modules=graphs.modules,
        text_max_length=model.text_max_length,
        normalizes=source.normalizes,
        report=report,
    )
    # Class names are better kept in float32: they are encoded once, and every image is read by them.
    text_precision = "fp32" if options.precision == "int8" else options.precision
    with clock.step(f"build the {target.name} engines"):
        text = builder.engine("text", text_precision, graphs.typed["text"], folder)
        if options.precision != "int8":
            image = builder.engine("image", options.precision, graphs.typed["image"], folder)
            engines = Engines(options.precision, image, text, folder)
            return Build(engines, model, tokenizer, None, graphs, builder)
    quantization = _quantize(
        source, options, builder, graphs, text, tokenizer, model, folder, scratch, images, clock
    )
    with clock.step("build the image engine in int8"):
        made = quantization.image
        image = builder.engine("image", "int8", made.graph, folder, made.info)
    engines = Engines("int8", image, text, folder)
    return Build(engines, model, tokenizer, quantization, graphs, builder)


@dataclass(frozen=True, eq=False)
class FurtherImage:
    """A further image engine of a bundle.

    Attributes:
        engines: with the text engine of the bundle, in its folder.
        graph: that the image engine was built from.
        quantization: of int8; None where the precision is another.
    """

    engines: Engines
    graph: TypedGraph
    quantization: Quantization | None


def build_further_image(
    build: Build,
    source: Source,
    options: BuildOptions,
    scratch: Path,
    *,
    images: ImageSet | None,
    clock: Clock,
) -> FurtherImage:
    """Build the image engine in another precision, into a folder of its name below the others.

    Args:
        build: the model in float32.
        source: the loaded checkpoint.
        options: what to build, checked; the precision is not float32.
        scratch: a folder for what is tried; it must outlive what is returned.
        images: see `build_engines`.
        clock: announces and times the steps.

    Raises:
        GroupViTError: a step failed.
    """
    precision, engines, builder = options.precision, build.engines, build.builder
    root, quantization, info = engines.root, None, None
    folder = root / precision
    folder.mkdir()
    if precision == "int8":
        quantization = _quantize(
            source,
            options,
            builder,
            build.graphs,
            engines.text,
            build.tokenizer,
            build.model,
            root,
            scratch,
            images,
            clock,
        )
        graph, info = quantization.image.graph, quantization.image.info
    else:
        typed = builder.target.typed and precision in HALVES
        graph = in_precision(build.graphs.float32["image"].model, precision if typed else "fp32")
    with clock.step(f"build the image engine in {precision}"):
        if builder.target.typed:
            graph = TypedGraph(with_property(graph.model, "precision", precision), graph.kept)
        image = _moved(builder.engine("image", precision, graph, folder, info), precision)
    return FurtherImage(Engines(precision, image, engines.text, root), graph, quantization)


def _moved(engine: EngineInfo, folder: str) -> EngineInfo:
    """The same seen from the folder above."""

    def moved(file: FileInfo) -> FileInfo:
        return replace(file, path=f"{folder}/{file.path}")

    return replace(
        engine,
        files=tuple(map(moved, engine.files)),
        source=None if engine.source is None else moved(engine.source),
    )


def _quantize(
    source: Source,
    options: BuildOptions,
    builder: EngineBuilder,
    graphs: Graphs,
    text: EngineInfo,
    tokenizer: Path,
    model: ModelInfo,
    folder: Path,
    scratch: Path,
    images: ImageSet | None,
    clock: Clock,
) -> Quantization:
    with clock.step("quantize the image engine"):
        trials = CandidateBuilder.of(builder, text, folder, scratch)
        speech = TextPipeline(
            tokenizer, model, source.templates, trials.text, trials.root, source.cleans_as_nvlabs
        )
        return Quantization.make(
            graphs.float32["image"].model,
            source,
            speech,
            trials,
            images,
            scratch / "trials",
            target=builder.target,
            budget=options.quantization.budget,
            limit=options.quantization.limit,
            saturation_safe=options.quantization.saturation_safe,
            note=clock.note,
        )
