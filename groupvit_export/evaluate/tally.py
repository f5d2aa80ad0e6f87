"""The running totals of an evaluation: what is kept of images once they are finished."""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from groupvit_export.evaluate.journal import Entry
from groupvit_export.evaluate.outcome import Failed, Run
from groupvit_export.metrics.confusion import ConfusionMatrix, Scores


@dataclass(frozen=True, order=True)
class Ranked:
    """An image by its own mIoU; the key breaks ties, so that the order does not depend on the workers."""

    miou: float
    key: str


class Tally:
    """Adds up entries, be they new or from the journal. For one thread.

    Its size is that of the confusion matrix, the keys that are done, the failures and `worst` images.

    Args:
        classes: K.
        wanted: keys of the images that this evaluation is about; others in the journal do not count.
        worst: how many of the worst images to remember.
    """

    def __init__(self, classes: int, wanted: Collection[str], worst: int) -> None:
        self._matrix = ConfusionMatrix.empty(classes)
        self._wanted = wanted
        self._kept = worst
        self._done: set[str] = set()
        self._failed: dict[str, Failed] = {}
        self._worst: list[Ranked] = []
        self._runs: list[Run] = []
        self._milliseconds = 0.0
        self._ignored = 0
        self._turned = 0

    def add(self, entry: Entry) -> None:
        """Count an entry. An image that failed and was measured later is not a failure any more."""
        if isinstance(entry, Run):
            self._runs.append(entry)
            return
        if entry.key not in self._wanted:
            return
        if isinstance(entry, Failed):
            self._failed[entry.key] = entry
            return
        own = ConfusionMatrix.from_cells(entry.cells, len(self._matrix.counts))
        self._matrix += own
        self._milliseconds += entry.milliseconds
        self._ignored += entry.ignored
        self._turned += entry.turned
        self._done.add(entry.key)
        self._failed.pop(entry.key, None)
        miou = own.scores().miou
        # None is an image of ignored pixels only, which is neither good nor bad.
        if miou is not None:
            insort(self._worst, Ranked(miou, entry.key))
            del self._worst[self._kept :]

    def forget_failures(self) -> None:
        """Before images that failed are tried again."""
        self._failed.clear()

    def is_done(self, key: str) -> bool:
        """Whether the image was measured."""
        return key in self._done

    def scores(self) -> Scores:
        """Of all images measured so far."""
        return self._matrix.scores()

    @property
    def matrix(self) -> ConfusionMatrix:
        """The sum over all images measured so far."""
        return self._matrix

    @property
    def measured(self) -> int:
        """Number of images measured."""
        return len(self._done)

    @property
    def ignored(self) -> int:
        """Pixels of the truth that count nowhere."""
        return self._ignored

    @property
    def turned(self) -> int:
        """Number of images measured whose files have an EXIF orientation."""
        return self._turned

    @property
    def failed(self) -> Mapping[str, Failed]:
        """Images that could not be evaluated, by key."""
        return self._failed

    @property
    def worst(self) -> tuple[Ranked, ...]:
        """The images with the lowest mIoU of their own, lowest first."""
        return tuple(self._worst)

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that came to their end, oldest first."""
        return tuple(self._runs)

    @property
    def mean_milliseconds(self) -> float | None:
        """Mean time that segmenting an image took."""
        return self._milliseconds / len(self._done) if self._done else None
