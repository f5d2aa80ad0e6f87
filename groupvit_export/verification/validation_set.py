"""Label maps of int8 engines of a bundle, on images that they were not calibrated on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from groupvit_export.data.images import ImageSet, bundled_images
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.metrics.decoding import Decoding
from groupvit_export.metrics.judge import Judge
from groupvit_export.provenance import QuantizationRecord
from groupvit_export.verification.backends import Backend
from groupvit_export.verification.details import Caution, Note
from groupvit_export.verification.int8_criteria import MIOU, PIXELS, label_cells
from groupvit_export.verification.report import Cell
from groupvit_export.verification.rows import RowKey
from groupvit_export.verification.specification import ClassPrompts


@dataclass(frozen=True, eq=False)
class ValidationSet:
    """Images, words and what both are held against.

    Attributes:
        judge: on the images.
        words: its classes.
        budget: that the export had; the usual one where the provenance records none.
        decides: the rows whose budget means these images: those of the bundle's own calibration, or what
            was asked for; of mean IoU, held against what the export held it against.
    """

    judge: Judge
    words: ClassPrompts
    budget: LabelBudget
    decides: frozenset[RowKey]

    @staticmethod
    def of(
        decoding: Decoding,
        record: QuantizationRecord | None,
        prompts: Callable[[tuple[str, ...] | None], ClassPrompts],
        given: ImageSet | None,
        names: tuple[str, ...] | None,
        limit: int,
        *,
        demo: bool,
    ) -> ValidationSet:
        """Of images that are named, or else those that the export held out of the package's.

        Args:
            decoding: the bundle's default.
            record: how the bundle was quantized, as far as it says.
            prompts: makes prompts of class names; of None, of words that the tokenizer knows.
            given: the images that were asked for, or None.
            names: classes that were asked for, or None; there is no truth in them.
            limit: at most so many of the package's.
            demo: whether it is the demo checkpoint.
        """
        images = given or bundled_images(with_truth=demo).halves()[1].spread(limit)
        if names is not None:
            images = _renamed(images)
        judge = Judge(decoding, images, images.classes or prompts(names).names)
        calibration = None if record is None else record.calibration
        decides = set()
        if given is not None or (calibration is not None and calibration.source == "bundled"):
            decides.add(PIXELS)
            # A point of mean IoU with masks and one with fp32's own label maps are two things.
            if calibration is not None and calibration.has_masks == judge.has_masks:
                decides.add(MIOU)
        budget = LabelBudget() if record is None else LabelBudget.recorded(record.budget)
        return ValidationSet(judge, prompts(judge.words), budget, frozenset(decides))

    @property
    def notes(self) -> tuple[Note, ...]:
        """What a reader must know."""
        if PIXELS not in self.decides:
            return (Caution.LABELS_ONLY_INFORM,)
        if MIOU not in self.decides:
            return (Caution.MIOU_IS_WITH_MASKS if self.judge.has_masks else Caution.MIOU_IS_WITH_FP32,)
        return ()

    def cells(self, eager: Backend, backends: Iterable[Backend]) -> dict[str, dict[RowKey, Cell]]:
        """The two label rows, by column.

        Args:
            eager: the reference in float32.
            backends: int8 engines.
        """
        truth = self.judge.label_maps(eager.image, self.words.of(eager))
        fp32 = self.judge.compare(truth, truth)
        columns = {}
        for backend in backends:
            found = self.judge.compare(self.judge.label_maps(backend.image, self.words.of(backend)), truth)
            cells = label_cells(found, fp32, self.budget, self.judge.described)
            columns[backend.column.name] = {
                row: cell if row in self.decides else replace(cell, verdict=None)
                for row, cell in cells.items()
            }
        return columns


def _renamed(images: ImageSet) -> ImageSet:
    return replace(images, truth=None, classes=None, background=False, background_threshold=None)
