"""How a data set's classes are put to a segmenter by either decode."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from groupvit_export.data.dataset import Dataset
from groupvit_export.errors import LabelError, UsageError
from groupvit_runtime.manifest import DecodeName
from groupvit_runtime.result import Segmentation
from groupvit_runtime.segmenter import Segmenter
from groupvit_runtime.vocabulary import Vocabulary


class Prediction(Protocol):
    """What the runner needs of a `Segmentation`."""

    @property
    def labels(self) -> NDArray[np.uint16]:
        """uint16 [H, W], an index into `names`."""
        ...

    @property
    def names(self) -> tuple[str, ...]: ...


SegmentImage = Callable[[NDArray[np.uint8]], Prediction]
"""From uint8 [H, W, 3] RGB to its label map; called by many threads at once."""


Source = Literal["command line", "data set", "bundle"]


@dataclass(frozen=True)
class Choices:
    """Where a setting is from, and what the data set itself brings.

    Attributes:
        templates: where the templates are from.
        dataset_templates: the data set's own; None where it has none.
        threshold: where the background threshold is from; None where there is none.
        dataset_threshold: the data set's own, likewise.
    """

    templates: Source
    dataset_templates: tuple[str, ...] | None
    threshold: Source | None
    dataset_threshold: float | None


@dataclass(frozen=True)
class Setting:
    """What an image is segmented with.

    Attributes:
        decode: "hf" or "paper".
        background_threshold: of the `paper` decode; None where the data set has no background.
        vocabulary: the encoded classes: without the background where the threshold makes it.
        choices: where these are from.
    """

    decode: DecodeName
    background_threshold: float | None
    vocabulary: Vocabulary
    choices: Choices


def choose_setting(
    dataset: Dataset,
    segmenter: Segmenter,
    decode: DecodeName,
    templates: str | Sequence[str] | None,
    threshold: float | None = None,
) -> Setting:
    """Encode the classes of `dataset` for `decode`.

    By `paper` the background is what no class reaches the threshold in: it is not encoded, and label 0 of
    the result. By `hf` "background" is a word like any other.

    Args:
        dataset: with its classes and background.
        segmenter: encodes the words.
        decode: "hf" or "paper".
        templates: prompt templates; None for the data set's, or else the bundle's own.
        threshold: of the background; None for the data set's.

    Raises:
        UsageError: a threshold without a background.
        LabelError: the words cannot be encoded, or nothing is left to encode.
    """
    check_background(threshold, dataset)
    by_threshold = decode == "paper" and dataset.background
    names = dataset.classes[1:] if by_threshold else dataset.classes
    vocabulary = segmenter.vocabulary(names, templates=dataset.templates if templates is None else templates)
    usual: Source = "bundle" if dataset.templates is None else "data set"
    choices = Choices(
        templates=usual if templates is None else "command line",
        dataset_templates=dataset.templates,
        threshold=None if not by_threshold else "data set" if threshold is None else "command line",
        dataset_threshold=dataset.background_threshold if by_threshold else None,
    )
    chosen = dataset.background_threshold if threshold is None else threshold
    return Setting(decode, chosen if by_threshold else None, vocabulary, choices)


def bind(segmenter: Segmenter, setting: Setting) -> SegmentImage:
    """`segmenter` in `setting`."""

    def segment(rgb: NDArray[np.uint8]) -> Segmentation:
        return segmenter(
            rgb,
            setting.vocabulary,
            decode=setting.decode,
            background_threshold=setting.background_threshold,
        )

    return segment


def check_threshold(threshold: float | None, decode: DecodeName) -> None:
    """Refuse a threshold that the decode has no use for.

    Raises:
        UsageError: it was given with the `hf` decode.
    """
    if threshold is not None and decode == "hf":
        raise UsageError(
            "the hf decode has no background threshold; there the background is a word like any other",
            got=f"--background-threshold {threshold}",
            expected="--decode paper, or no threshold",
            fix="--decode paper",
        )


def check_background(threshold: float | None, dataset: Dataset) -> None:
    """Refuse a threshold that would make nothing.

    Raises:
        UsageError: it was given for a data set without background.
    """
    if threshold is not None and not dataset.background:
        raise UsageError(
            "the data set has no background that a threshold could make",
            got=f"--background-threshold {threshold} for {dataset.name} at {dataset.root}",
            expected="a data set, or vocabulary, with a background",
            fix="leave --background-threshold out",
        )


def check_names(names: tuple[str, ...], classes: tuple[str, ...]) -> None:
    """Refuse a result whose label k is not class k.

    Raises:
        LabelError: it is not.
    """
    if names == classes:
        return
    wrong = [
        f"label {k} is {name!r} and not {expected!r}"
        for k, (name, expected) in enumerate(zip(names, classes, strict=False))
        if name != expected
    ]
    raise LabelError(
        "the segmenter's labels are not the data set's classes",
        got=wrong[0] if wrong else f"{len(names)} labels",
        expected=f"the {len(classes)} classes of the data set in their order",
        fix="the first class of a data set with background must be called background",
    )
