"""What is known of an image, or of a run, once it is finished."""

from __future__ import annotations

from dataclasses import dataclass

from groupvit_export.errors import GroupViTError
from groupvit_export.metrics.confusion import Cell


@dataclass(frozen=True)
class Measured:
    """An image that was segmented and compared with its truth.

    Attributes:
        key: of the sample.
        cells: of its confusion matrix, those with pixels.
        ignored: pixels of its truth that count nowhere.
        turned: whether its file has an EXIF orientation.
        milliseconds: that segmenting took, without reading the image and its truth.
    """

    key: str
    cells: tuple[Cell, ...]
    ignored: int
    turned: bool
    milliseconds: float


@dataclass(frozen=True)
class Failed:
    """An image that could not be evaluated, with the parts of the error that says why.

    The error itself is not kept: its traceback holds on to the pixels.
    """

    key: str
    what: str
    got: str | None
    expected: str | None
    fix: str | None

    @staticmethod
    def of(key: str, error: GroupViTError) -> Failed:
        return Failed(key, error.what, _text(error.got), _text(error.expected), error.fix)

    @property
    def line(self) -> str:
        """All of it on one line, without the fix."""
        details = [
            f"{label} {text}" for label, text in (("got", self.got), ("expected", self.expected)) if text
        ]
        text = f"{self.what} ({'; '.join(details)})" if details else self.what
        return " ".join(f"{self.key}: {text}".split())

    def error(self) -> GroupViTError:
        """An error that says the same."""
        return GroupViTError(self.what, got=self.got, expected=self.expected, fix=self.fix)


@dataclass(frozen=True)
class Run:
    """A run that came to its end; one that was killed leaves its images and no `Run`.

    Attributes:
        images: measured by this run.
        seconds: wall time from the first image to the last.
        workers: images at once.
        threads: of the engine; None for its own choice.
    """

    images: int
    seconds: float
    workers: int
    threads: int | None


def _text(value: object) -> str | None:
    return None if value is None else str(value)
