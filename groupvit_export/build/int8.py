"""int8 of one export: calibrated on images, judged on others."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from groupvit_export.build.clock import Progress
from groupvit_export.build.engines import EngineBuilder, Engines
from groupvit_export.build.source import Source
from groupvit_export.data.images import ImageSet, bundled_images, read_images
from groupvit_export.errors import UsageError
from groupvit_export.graph.pixel_inputs import pixels_of
from groupvit_export.graph.precision import TypedGraph
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.metrics.class_names import default_names, embed
from groupvit_export.metrics.decoding import RunImage
from groupvit_export.metrics.judge import Judge
from groupvit_export.quantization.image import Precision, QuantizationContext, QuantizedImage, quantize_image
from groupvit_export.quantization.options import Feed, QuantizationOptions
from groupvit_export.targets.base import Target
from groupvit_export.targets.inspection import Substitution
from groupvit_export.targets.registry import TARGETS
from groupvit_export.targets.words import substitute_words
from groupvit_runtime.contract import IMAGE_INPUT, PIXELS_INPUT, TEXT_INPUT, TEXT_OUTPUT, Preprocessing
from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.manifest import EngineInfo, ModelInfo
from groupvit_runtime.tokenizer import Tokenizer


@dataclass(frozen=True, eq=False)
class TextPipeline:
    """The text side of an export.

    Attributes:
        tokenizer: its tokenizer.json.
        model: how long sentences are, and how they are filled up.
        templates: prompts, each with one `{}`.
        engine: of the role text.
        root: the folder that it lies in.
        cleans_as_nvlabs: whether sentences are cleaned as NVlabs' tokenizer does.
    """

    tokenizer: Path
    model: ModelInfo
    templates: tuple[str, ...]
    engine: EngineInfo
    root: Path
    cleans_as_nvlabs: bool

    def names(self) -> tuple[str, ...]:
        """Classes for images that come without."""
        return default_names(self._tokenizer(), self.tokenizer, self.templates)

    def encode(self, names: tuple[str, ...]) -> NDArray[np.float32]:
        """Class embeddings, float32 [K, P], unit vectors."""
        engine = load_engine(self.engine, self.root, EngineOptions())
        return embed(
            lambda ids: engine.run({TEXT_INPUT: np.ascontiguousarray(ids)})[TEXT_OUTPUT],
            self._tokenizer(),
            self.templates,
            names,
            self.engine.max_batch,
        )

    def _tokenizer(self) -> Tokenizer:
        return Tokenizer(
            self.tokenizer,
            max_length=self.model.text_max_length,
            pad_id=self.model.text_pad_id,
            nvlabs_cleaning=self.cleans_as_nvlabs,
        )


def run_image(info: EngineInfo, root: Path, feed: Feed) -> RunImage:
    """The image engine as a function."""
    engine = load_engine(info, root, EngineOptions())
    return lambda pixel_values: engine.run(feed(np.ascontiguousarray(pixel_values)))


def _feed(inside: Preprocessing | None) -> Feed:
    if inside is None:
        return lambda pixel_values: {IMAGE_INPUT: pixel_values}
    return lambda pixel_values: {PIXELS_INPUT: pixels_of(pixel_values, inside)}


@dataclass(frozen=True, eq=False)
class CandidateBuilder:
    """What is built and run while layers are tried.

    Attributes:
        builder: of engines that run here: the target's own, or what stands in for them.
        text: the text engine, which runs here too.
        root: the folder that `text` lies in.
        substitution: what is run in place of the target's engines; None where those are.
    """

    builder: EngineBuilder
    text: EngineInfo
    root: Path
    substitution: Substitution | None

    @staticmethod
    def of(builder: EngineBuilder, text: EngineInfo, root: Path, scratch: Path) -> CandidateBuilder:
        """The target itself, or a stand-in where its engines do not run here.

        Args:
            builder: for the target.
            text: its text engine.
            root: the folder that `text` lies in.
            scratch: a folder for the stand-in.
        """
        substitute = builder.target.substitute({"text": text}, root, scratch, EngineOptions())
        if substitute is None:
            return CandidateBuilder(builder, text, root, None)
        target = TARGETS[substitute.target]
        instead = replace(builder, target=target, options=target.Options())
        return CandidateBuilder(instead, substitute.engines["text"], substitute.root, substitute.substitution)


@dataclass(frozen=True, eq=False)
class Quantization:
    """int8 of one export, and what it is compared with.

    Attributes:
        image: the graph, and its engine in float32.
        held_out: judges on images that had no part in the ranges.
        fp32: the same model in float32; None where only what stands in for it was built.
    """

    image: QuantizedImage
    held_out: Judge
    fp32: Engines | None

    @staticmethod
    def make(
        model: onnx.ModelProto,
        source: Source,
        speech: TextPipeline,
        trials: CandidateBuilder,
        images: ImageSet | None,
        scratch: Path,
        *,
        target: Target[Any],
        budget: LabelBudget,
        limit: int,
        saturation_safe: bool,
        note: Progress,
    ) -> Quantization:
        """Quantize; see `groupvit_export.quantization.image.quantize_image`.

        Args:
            model: captured in float32.
            source: what is exported.
            speech: names and embeds the classes.
            trials: what is built and run meanwhile.
            images: of which every second one gives the ranges, and the others judge; None for the
                package's own.
            scratch: a folder to be made, which must outlive what is returned.
            target: that the ranges are for.
            budget: what must hold.
            limit: at most so many of the package's own images.
            saturation_safe: see `QuantizationOptions`.
            note: told what goes on.

        Raises:
            GroupViTError: what `quantize_image` raises.
        """
        substitute = None if trials.substitution is None else substitute_words(trials.substitution)
        if substitute is not None:
            note(f"note: {substitute}")
        images = images or bundled_images(with_truth=source.is_demo).spread(limit)
        classes = images.classes or speech.names()
        calibration, held_out = (Judge(source.decoding, half, classes) for half in images.halves())
        float32: dict[Path, EngineInfo] = {}
        scratch.mkdir()
        feed = _feed(source.graph_normalization)

        def build(graph: onnx.ModelProto, precision: Precision, folder: Path) -> RunImage:
            info = trials.builder.engine("image", precision, TypedGraph(graph, {}), folder)
            if precision == "fp32":
                float32[folder] = info
            return run_image(info, folder, feed)

        context = QuantizationContext(
            calibration=calibration,
            held_out=held_out,
            embeddings=speech.encode(held_out.words),
            feed=feed,
            build=build,
            scratch=scratch,
            symmetric=target.symmetric,
            weight_bits=target.weight_bits if saturation_safe else 8,
            own_method=target.own_quantization,
            on_cpu=substitute is not None or target.devices[0] == "cpu",
            substitute=substitute,
            note=note,
            report=trials.builder.report,
        )
        image = quantize_image(model, budget, context)
        if substitute is not None:
            return Quantization(image, held_out, None)
        # Beside the image engine in float32, so that the two are a whole model.
        ((folder, info),) = float32.items()
        for file in trials.text.all_files:
            shutil.copyfile(trials.root / file.path, folder / file.path)
        fp32 = Engines("fp32", info, trials.text, folder)
        return Quantization(image, held_out, fp32)


def read_calibration(options: QuantizationOptions) -> ImageSet | None:
    """The images that int8 was given; None where the package's own are to be taken.

    Raises:
        ImageError: there are none, or one cannot be read.
        DatasetError: there are masks, and they do not belong to the images.
        UsageError: there is only one.
    """
    if options.calibration is None:
        return None
    images = read_images(options.calibration, options.limit)
    if len(images.images) < 2:
        raise UsageError(
            "int8 needs images for its ranges and others to judge them on",
            got=f"{len(images.images)} image in {options.calibration}",
            expected="two or more; some dozens of what the model will see",
            fix="--calibration DIR with more images",
        )
    return images
