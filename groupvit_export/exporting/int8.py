"""int8 of one export: calibrated on pictures, judged on others."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from groupvit_export.errors import UsageError
from groupvit_export.exporting.engines import Engines
from groupvit_export.graph.precision import TypedGraph
from groupvit_export.quality.budget import LabelBudget
from groupvit_export.quality.decoding import Decoding, RunImage
from groupvit_export.quality.judge import Judge
from groupvit_export.quality.pictures import PictureSet, read_pictures
from groupvit_export.quality.words import default_names, embed
from groupvit_export.quantization.image import QuantizedImage, Workshop, quantize_image
from groupvit_export.quantization.options import Feed, QuantizationOptions
from groupvit_export.verify.normalised import pixels_of
from groupvit_export.verify.quantized import label_cells
from groupvit_export.verify.report import Cell
from groupvit_runtime.contract import IMAGE_INPUT, PIXELS_INPUT, TEXT_INPUT, TEXT_OUTPUT, Preprocessing
from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.manifest import EngineInfo, ModelInfo
from groupvit_runtime.tokenizer import Tokenizer

FLOAT32 = "fp32"
"""Name of the folder with the engines in float32, among those that are tried."""

Report = Callable[[str, float, float], None]


@dataclass(frozen=True, eq=False)
class Speech:
    """The text side of an export.

    Attributes:
        tokenizer: its tokenizer.json.
        model: how long sentences are, and how they are filled up.
        templates: prompts, each with one `{}`.
        engine: of the role text.
        root: the folder that it lies in.
    """

    tokenizer: Path
    model: ModelInfo
    templates: tuple[str, ...]
    engine: EngineInfo
    root: Path

    def names(self) -> tuple[str, ...]:
        """Classes for pictures that come without."""
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
        return Tokenizer(self.tokenizer, max_length=self.model.text_max_length, pad_id=self.model.text_pad_id)


def run_image(info: EngineInfo, root: Path, feed: Feed) -> RunImage:
    """The image engine as a function."""
    engine = load_engine(info, root, EngineOptions())
    return lambda pixel_values: engine.run(feed(np.ascontiguousarray(pixel_values)))


def _feed(inside: Preprocessing | None) -> Feed:
    if inside is None:
        return lambda pixel_values: {IMAGE_INPUT: pixel_values}
    return lambda pixel_values: {PIXELS_INPUT: pixels_of(pixel_values, inside)}


@dataclass(frozen=True, eq=False)
class Quantization:
    """int8 of one export, and what it is compared with.

    Attributes:
        image: the graph, and its engine in float32.
        held_out: judges on pictures that had no part in the ranges.
        budget: what had to hold.
        fp32: the same model in float32, or what stands in for it.
    """

    image: QuantizedImage
    held_out: Judge
    budget: LabelBudget
    fp32: Engines

    @staticmethod
    def make(
        model: onnx.ModelProto,
        pictures: PictureSet,
        budget: LabelBudget,
        decoding: Decoding,
        inside: Preprocessing | None,
        speech: Speech,
        make: Callable[[str, TypedGraph, Path], EngineInfo],
        scratch: Path,
        *,
        symmetric: bool,
        stand_in: str | None,
        note: Callable[[str], None],
        report: Report,
    ) -> Quantization:
        """Quantise; see `groupvit_export.quantization.image.quantize_image`.

        Args:
            model: captured in float32.
            pictures: of which every second one gives the ranges, and the others judge.
            budget: what must hold.
            decoding: of the model.
            inside: the normalisation that is in the graph; None where pictures come normalised.
            speech: the text side, in float32.
            make: precision, graph and folder to an engine in it, which runs here.
            scratch: a folder to be made, which must outlive what is returned.
            symmetric: whether the target wants signed bytes, and zero in the middle of every range.
            stand_in: what `make` gives in place of the target's engines, in words; None where it gives those.
            note, report: told what goes on.

        Raises:
            GroupViTError: what `quantize_image` raises.
        """
        classes = pictures.classes or speech.names()
        calibration, held_out = (Judge(decoding, half, classes) for half in pictures.halves())
        infos: dict[str, EngineInfo] = {}
        scratch.mkdir()
        feed = _feed(inside)

        def build(graph: onnx.ModelProto, folder: Path) -> RunImage:
            precision = "fp32" if folder.name == FLOAT32 else "int8"
            infos[folder.name] = info = make(precision, TypedGraph(graph, {}), folder)
            return run_image(info, folder, feed)

        workshop = Workshop(
            calibration=calibration,
            held_out=held_out,
            embeddings=speech.encode(held_out.words),
            feed=feed,
            build=build,
            scratch=scratch,
            symmetric=symmetric,
            stand_in=stand_in,
            note=note,
            report=report,
        )
        image = quantize_image(model, budget, workshop)
        # Beside the image engine in float32, so that the two are a whole model.
        for file in speech.engine.all_files:
            shutil.copyfile(speech.root / file.path, scratch / FLOAT32 / file.path)
        fp32 = Engines(FLOAT32, infos[FLOAT32], speech.engine, scratch / FLOAT32)
        return Quantization(image, held_out, budget, fp32)

    def label_cells(self) -> dict[str, Cell]:
        """The rows that decide about int8."""
        return label_cells(self.image.quality, self.image.fp32_quality, self.budget, self.held_out.described)


def read_calibration(options: QuantizationOptions) -> PictureSet | None:
    """The pictures that int8 was given; None where the package's own are to be taken.

    Raises:
        ImageError: there are none, or one cannot be read.
        DatasetError: there are masks, and they do not belong to the pictures.
        UsageError: there is only one.
    """
    if options.calibration is None:
        return None
    pictures = read_pictures(options.calibration)
    if len(pictures.pictures) < 2:
        raise UsageError(
            "int8 needs pictures for its ranges and others to judge them on",
            got=f"{len(pictures.pictures)} picture in {options.calibration}",
            expected="two or more; some dozens of what the model will see",
            fix="--calibration DIR with more pictures",
        )
    return pictures
