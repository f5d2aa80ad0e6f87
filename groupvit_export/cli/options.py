"""Options that several verbs share, and how their text is read."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Protocol

from typer import Argument, Option

from groupvit_export.data.text_lines import text_lines, utf8_text
from groupvit_export.errors import LabelError, UsageError

MAX_LABELS_FILE_BYTES = 1 << 20
_STANDARD_INPUT = Path("-")

_KEPT_BYTE = re.compile("[\udc80-\udcff]")
"""PEP 383: how Python keeps a byte that the locale's encoding does not have."""

Bundle = Annotated[str, Argument(metavar="BUNDLE", help="a bundle's folder, or the same zipped")]
Templates = Annotated[
    list[str] | None,
    Option(
        "--templates",
        metavar="T",
        help='prompt template with one {} ("a photo of a {}."), repeated to average several, '
        "or one of the sets simple, subset, identity",
    ),
]
LabelNames = Annotated[
    str | None, Option("--labels", metavar="A,B,...", help="class names, separated by commas")
]
LabelsFile = Annotated[
    Path | None, Option("--labels-file", metavar="FILE", help="a class name a line; - for standard input")
]
Device = Annotated[
    str | None,
    Option(
        "--device",
        metavar="D",
        help="cpu or cuda; default cpu where the target has it; never falls back silently",
    ),
]
EnginePrecision = Annotated[
    str | None,
    Option(
        "--precision",
        metavar="P",
        help="of the image engine, where the bundle has several; default: the fastest on this processor",
    ),
]
Threads = Annotated[int | None, Option("--threads", metavar="N", help="threads of the engine")]
Json = Annotated[bool, Option("--json", help="print the result as JSON")]
Quiet = Annotated[bool, Option("--quiet", help="print only what failed")]


class HasLabels(Protocol):
    """A verb with `--labels` and `--labels-file`."""

    @property
    def labels(self) -> str | None: ...
    @property
    def labels_file(self) -> Path | None: ...


@dataclass(frozen=True, kw_only=True)
class VerbArguments:
    """What every verb is given.

    Attributes:
        command: as it was typed, for the records.
    """

    command: str


def check_exclusive(options: Mapping[str, object], *, required: bool = False) -> None:
    """Of these options one may be given.

    Args:
        options: their values; None where one was not given.
        required: one must be given.

    Raises:
        UsageError: two were given; none was, and one is required.
    """
    given = [option for option, value in options.items() if value is not None]
    if len(given) > 1:
        raise UsageError(
            f"{given[1]} is not allowed with {given[0]}", expected=f"one of {', '.join(options)}"
        )
    if required and not given:
        raise UsageError("an option is missing", expected=f"one of {', '.join(options)}")


def typed_text(argument: str) -> str:
    """An argument as text: UTF-8, where the locale has no such characters and Python kept their bytes."""
    try:
        return os.fsencode(argument).decode() if _KEPT_BYTE.search(argument) else argument
    except UnicodeError:
        return argument


def read_labels(arguments: HasLabels) -> list[str] | None:
    """The labels that were given, or None.

    Raises:
        LabelError: the file cannot be read.
    """
    if arguments.labels is not None:
        return split_names(arguments.labels)
    if arguments.labels_file is None:
        return None
    path = arguments.labels_file
    try:
        lines = text_lines(utf8_text(_read_bounded(path)))
    except (OSError, ValueError) as error:
        raise LabelError(
            "the file of labels cannot be read",
            got=f"{path}: {(isinstance(error, OSError) and error.strerror) or error}",
            expected="a UTF-8 text file with a class name a line",
            fix="check the path and the file"
            if isinstance(error, OSError)
            else "save it as UTF-8, or: iconv -f UTF-16 -t UTF-8 FILE > NEW",
        ) from error
    return [line for line in lines if line.strip()]


def split_names(given: str | None) -> list[str] | None:
    """Names with commas between them; None for None."""
    if given is None:
        return None
    text = typed_text(given)
    return text.split(",") if text.strip() else []


def _read_bounded(path: Path) -> bytes:
    if path == _STANDARD_INPUT:
        data, size = sys.stdin.buffer.read(MAX_LABELS_FILE_BYTES + 1), "more"
    else:
        size = f"{path.stat().st_size} bytes"
        with path.open("rb") as file:
            data = file.read(MAX_LABELS_FILE_BYTES + 1)
    if len(data) > MAX_LABELS_FILE_BYTES:
        raise LabelError(
            "the file of labels is too large to be one",
            got=f"{path}: {size}",
            expected=f"at most {MAX_LABELS_FILE_BYTES}",
        )
    return data


def read_templates(given: list[str] | None) -> str | tuple[str, ...] | None:
    """The templates that were given: a set's name, templates, or None."""
    if given is None:
        return None
    texts = tuple(map(typed_text, given))
    return texts[0] if len(texts) == 1 else texts


def read_size(text: str | None) -> tuple[int, int] | None:
    """`448` or `HEIGHTxWIDTH` to (height, width).

    Raises:
        UsageError: it is neither.
    """
    if text is None:
        return None
    match = re.fullmatch(r"(\d{1,5})(?:x(\d{1,5}))?", text)
    if match is None:
        raise UsageError(
            "the image size cannot be understood",
            got=text,
            expected="one number, or HEIGHTxWIDTH in pixels",
            fix="--image-size 448",
        )
    height = int(match[1])
    return height, int(match[2] or height)
