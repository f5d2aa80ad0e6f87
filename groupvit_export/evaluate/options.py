"""What an evaluation is asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class EvalOptions:
    """Everything that was chosen, by the names of the command line's options; None leaves a choice to others.

    Attributes:
        bundle, root, classes: absolute paths, so that the working directory does not matter.
        dataset: one of `DATASETS`.
        split, vocabulary, classes, ignore_index, reduce_zero_label: see `DatasetOptions`.
        raw_masks: see `Dataset`.
        limit, workers, threads: see `RunOptions`.
        decode: "hf" or "paper"; None for the bundle's default.
        background_threshold: in place of the data set's.
        templates: in place of the data set's or the bundle's; one alone may be the name of a set.
        device: of the engine.
        precision: of the image engine, where the bundle has several.
    """

    bundle: str
    dataset: str
    root: str
    split: str | None = None
    vocabulary: str | None = None
    classes: str | None = None
    ignore_index: tuple[int, ...] | None = None
    reduce_zero_label: bool = False
    raw_masks: bool = False
    limit: int | None = None
    decode: str | None = None
    background_threshold: float | None = None
    templates: tuple[str, ...] | None = None
    device: str | None = None
    threads: int | None = None
    workers: int = 1
    precision: str | None = None


@dataclass(frozen=True)
class Request:
    """What was asked for, and how.

    Attributes:
        options: as they were understood.
        command: as it was typed.
        directory: in which.
    """

    options: EvalOptions
    command: str
    directory: str
