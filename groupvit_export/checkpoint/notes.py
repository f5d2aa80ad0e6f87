"""What is assumed of a checkpoint's preprocessing, or not followed: typed; `words.py` says it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AssumedSettings:
    """There are none of an image processor; `single_file`: nor a folder that could have some."""

    single_file: bool


@dataclass(frozen=True)
class NotCropped:
    """`file` resizes to `size` (a short side, or height and width) and cuts out `crop`; we resize it all."""

    file: str
    size: tuple[int, int] | int
    crop: tuple[int, int] | None
    image_size: tuple[int, int]


@dataclass(frozen=True)
class UnreadableSettings:
    """The file that does not win cannot be followed; `got` says what it has."""

    got: object


@dataclass(frozen=True)
class DifferingSettings:
    """Names of the settings in which the file that does not win differs."""

    names: tuple[str, ...]


PreprocessingNote = AssumedSettings | NotCropped | UnreadableSettings | DifferingSettings
