"""Label maps of int8 engines of a bundle, on pictures that they were not calibrated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from groupvit_export.quality.decoding import Decoding
from groupvit_export.quality.judge import Judge
from groupvit_export.quality.pictures import BUNDLED, PictureSet, bundled_pictures, read_pictures
from groupvit_export.verify.backends import Backend
from groupvit_export.verify.material import class_words
from groupvit_export.verify.quantized import label_cells, recorded_budget
from groupvit_export.verify.report import Cell
from groupvit_export.verify.subject import Subject, Words
from groupvit_runtime.manifest import Manifest


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Pictures, words and what both are held against.

    Attributes:
        judge: on the pictures.
        words: its classes.
        eager: the reference in float32.
        decides: whether the bundle was made for pictures like these, so that its budget means them.
    """

    judge: Judge
    words: Words
    eager: Backend
    decides: bool

    @staticmethod
    def of(
        manifest: Manifest,
        tokenizer: Path,
        subject: Subject,
        eager: Backend,
        images: Path | None,
        names: tuple[str, ...] | None,
        *,
        demo: bool,
    ) -> HeldOut:
        """Of pictures that are named, or else those that the export held out of the package's.

        Args:
            manifest: of the bundle.
            tokenizer: its tokenizer.json.
            subject: the truth.
            eager: the reference in float32.
            images: a folder, or None.
            names: classes that were asked for, or None; there is no truth in them.
            demo: whether it is the demo checkpoint.

        Raises:
            ImageError: there are no pictures, or one cannot be read.
        """
        held_out = bundled_pictures(with_truth=demo).halves()[1]
        pictures = held_out if images is None else read_pictures(images)
        if names is not None:
            pictures = _renamed(pictures)
        decoding = Decoding.of(
            manifest.decode.default,
            subject.image_size,
            subject.contracts,
            subject.paper,
            subject.logit_scale,
        )
        chosen = pictures.classes or class_words(tokenizer, manifest.model, manifest.prompts, names).names
        judge = Judge(decoding, pictures, chosen)
        info = manifest.engine("image").quantization
        decides = images is not None or (info is not None and info.calibration.startswith(BUNDLED))
        words = class_words(tokenizer, manifest.model, manifest.prompts, judge.words)
        return HeldOut(judge, words, eager, decides)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader must know."""
        if self.decides:
            return ()
        return (
            "int8 was calibrated on pictures of its own, so label maps of the drawn scenes only inform; "
            "--images DIR judges it on pictures like those",
        )

    def cells(self, backends: Mapping[str, Backend], manifest: Manifest) -> dict[str, dict[str, Cell]]:
        """The two label rows, by column.

        Args:
            backends: int8 engines, by column.
            manifest: which records the budget.
        """
        truth = self.judge.label_maps(self.eager.image, self.words.of(self.eager))
        fp32 = self.judge.compare(truth, truth)
        budget = recorded_budget(manifest.parity)
        columns = {}
        for name, backend in backends.items():
            found = self.judge.compare(self.judge.label_maps(backend.image, self.words.of(backend)), truth)
            cells = label_cells(found, fp32, budget, self.judge.described)
            if not self.decides:
                cells = {row: replace(cell, verdict=None) for row, cell in cells.items()}
            columns[name] = cells
        return columns


def _renamed(pictures: PictureSet) -> PictureSet:
    return replace(pictures, truth=None, classes=None, background=False, background_threshold=None)
