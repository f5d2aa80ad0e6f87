"""What is assumed of a checkpoint's preprocessing, in words: made where they are printed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from groupvit_export.checkpoint.image_processor import IMAGE_PROCESSOR_FILES
from groupvit_export.checkpoint.notes import (
    AssumedSettings,
    DifferingSettings,
    NotCropped,
    PreprocessingNote,
    UnreadableSettings,
)

_WINNER, _OTHER = IMAGE_PROCESSOR_FILES
_FOLLOWED: Final = f"{_WINNER} was followed, as transformers 5 does"


def _assumed(note: AssumedSettings) -> str:
    files = " or ".join(IMAGE_PROCESSOR_FILES)
    where = "it is a single file" if note.single_file else f"no image settings in {files}"
    return (
        f"the checkpoint comes without an image processor ({where}): the hf decode assumes ImageNet's mean "
        "and std, with which NVlabs trained, and a bilinear resize"
    )


def _not_cropped(note: NotCropped) -> str:
    resized = f"the short side to {note.size}" if isinstance(note.size, int) else f"to {_sides(note.size)}"
    cut = "" if note.crop is None else f" and cuts {_sides(note.crop)} out of the middle"
    return (
        f"{note.file} resizes {resized}{cut}: the hf decode resizes the whole image to "
        f"{_sides(note.image_size)} instead, because a label map has to cover it"
    )


def _sides(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


PREPROCESSING_WORDS: Final[Mapping[type, Callable[[Any], str]]] = MappingProxyType(
    {
        AssumedSettings: _assumed,
        NotCropped: _not_cropped,
        UnreadableSettings: lambda note: (
            f"{_OTHER} is there too and cannot be followed ({note.got}): {_FOLLOWED}"
        ),
        DifferingSettings: lambda note: (
            f"{_WINNER} and {_OTHER} disagree on {', '.join(note.names)}: {_FOLLOWED}"
        ),
    }
)
"""By type of a note, what it says."""


def preprocessing_words(note: PreprocessingNote) -> str:
    """What must be said of how images are prepared."""
    return PREPROCESSING_WORDS[type(note)](note)
