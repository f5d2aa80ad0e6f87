"""What an evaluation found, as one value that becomes `report.json`."""

from __future__ import annotations

import json
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from groupvit_export.data.dataset import Dataset
from groupvit_export.data.sampling import spread
from groupvit_export.evaluate.cautions import cautions
from groupvit_export.evaluate.identity import Identity
from groupvit_export.evaluate.options import Request
from groupvit_export.evaluate.outcome import Failed, Run
from groupvit_export.evaluate.output import write_output
from groupvit_export.evaluate.setting import Choices
from groupvit_export.evaluate.tally import Tally
from groupvit_export.evaluate.worst import Drawn
from groupvit_export.metrics.confusion import Scores
from groupvit_runtime.manifest import EngineInfo
from groupvit_runtime.serialize import to_json

REPORT_NAME: Final = "report.json"
SCHEMA_VERSION: Final = 2


@dataclass(frozen=True)
class ClassReport:
    """One class; see `Scores`."""

    name: str
    iou: float | None
    accuracy: float | None
    truth_pixels: int
    predicted_pixels: int


@dataclass(frozen=True)
class SubsetReport:
    """A named group of classes and the mean of their IoU."""

    classes: tuple[str, ...]
    miou: float | None


@dataclass(frozen=True)
class Images:
    """How many images the numbers stand for.

    Attributes:
        total: in the data set.
        wanted: so many of them, by --limit.
        measured: of those.
        failed: of those.
        turned: of those measured, with an EXIF orientation.
    """

    total: int
    wanted: int
    measured: int
    failed: int
    turned: int

    @property
    def partial(self) -> bool:
        """Whether the numbers are not those of the whole data set."""
        return self.measured < self.total


@dataclass(frozen=True)
class Speed:
    """How fast it went.

    Attributes:
        images_per_second: of the last run that came to its end, everything included.
        mean_milliseconds: of segmenting one image while the other workers do the same.
        runs: all that came to their end, oldest first.
    """

    images_per_second: float | None
    mean_milliseconds: float | None
    runs: tuple[Run, ...]


@dataclass(frozen=True)
class Report:
    """Everything that was found. Shares are 0 to 1; None where there is nothing to divide by.

    Attributes:
        schema_version: of this file.
        created: UTC, ISO 8601.
        partial: whether images of the data set are missing in the numbers.
        images: how many.
        notes: what to know before the numbers; see `cautions`.
        miou: see `Scores`, as are the next three.
        ignored_pixels: of the truth, which count nowhere.
        ignored_share: of all pixels of the truth.
        subsets: by name.
        classes: in the data set's order.
        confusion: [K][K] pixels, rows truth, columns prediction.
        failed: images that could not be evaluated, and why.
        worst: lowest mIoU first.
        speed: of the runs.
        identity: what the numbers depend on.
        choices: where templates and threshold are from.
        request: every option, and the command; with the bundle and the data set it gives the same numbers.
        target: that the bundle was exported for.
        precision: of its image engine.
        versions: of what ran here.
    """

    schema_version: int
    created: str
    partial: bool
    images: Images
    notes: tuple[str, ...]
    miou: float | None
    pixel_accuracy: float | None
    mean_accuracy: float | None
    pixels: int
    ignored_pixels: int
    ignored_share: float | None
    subsets: dict[str, SubsetReport]
    classes: tuple[ClassReport, ...]
    confusion: tuple[tuple[int, ...], ...]
    failed: tuple[Failed, ...]
    worst: tuple[Drawn, ...]
    speed: Speed
    identity: Identity
    choices: Choices
    request: Request
    target: str
    precision: str
    versions: dict[str, str]

    def write(self, folder: Path) -> Path:
        """Write `report.json`, whole or not at all, and return its path.

        Raises:
            GroupViTError: it cannot be written.
        """
        path = folder / REPORT_NAME
        text = json.dumps(to_json(self), indent=1, ensure_ascii=False)
        # What is no Unicode in a file's name becomes JSON's own escape of it.
        write_output(path, f"{text}\n".encode(errors="backslashreplace"))
        return path


def make_report(
    dataset: Dataset,
    tally: Tally,
    worst: tuple[Drawn, ...],
    identity: Identity,
    image: EngineInfo,
    *,
    choices: Choices,
    request: Request,
) -> Report:
    """Put the report together."""
    scores = tally.scores()
    images = Images(
        total=len(dataset.samples),
        wanted=len(spread(dataset.samples, request.options.limit)),
        measured=tally.measured,
        failed=len(tally.failed),
        turned=tally.turned,
    )
    seen = scores.pixels + tally.ignored
    return Report(
        schema_version=SCHEMA_VERSION,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        partial=images.partial,
        images=images,
        notes=cautions(dataset, tally),
        miou=scores.miou,
        pixel_accuracy=scores.pixel_accuracy,
        mean_accuracy=scores.mean_accuracy,
        pixels=scores.pixels,
        ignored_pixels=tally.ignored,
        ignored_share=tally.ignored / seen if seen else None,
        subsets={
            name: SubsetReport(tuple(dataset.classes[k] for k in classes), scores.subset_miou(classes))
            for name, classes in dataset.subsets.items()
        },
        classes=_classes(dataset.classes, scores),
        confusion=tuple(tuple(row) for row in tally.matrix.counts.tolist()),
        # In the data set's order: the order in which they failed depends on the workers.
        failed=tuple(tally.failed[sample.key] for sample in dataset.samples if sample.key in tally.failed),
        worst=worst,
        speed=_speed(tally),
        identity=identity,
        choices=choices,
        request=request,
        target=image.target,
        precision=image.precision,
        versions={
            "python": platform.python_version(),
            **{
                name: version(name)
                for name in ("groupvit-export", "groupvit-runtime", "numpy", "pillow", "tokenizers")
            },
        },
    )


def _classes(names: tuple[str, ...], scores: Scores) -> tuple[ClassReport, ...]:
    columns = (names, scores.iou, scores.accuracy, scores.truth_pixels, scores.predicted_pixels)
    return tuple(ClassReport(*row) for row in zip(*columns, strict=True))


def _speed(tally: Tally) -> Speed:
    last = tally.runs[-1] if tally.runs else None
    return Speed(
        images_per_second=last.images / last.seconds if last and last.seconds else None,
        mean_milliseconds=tally.mean_milliseconds,
        runs=tally.runs,
    )
