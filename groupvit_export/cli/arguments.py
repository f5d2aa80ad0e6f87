"""Arguments that several verbs share, and how their text is read."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from groupvit_export.errors import LabelError, UsageError

MAX_LABELS_FILE_BYTES = 1 << 20


def add_labels(parser: argparse.ArgumentParser, *, required: bool) -> argparse._MutuallyExclusiveGroup:
    """`--labels` and `--labels-file`, of which one may be given; a verb may add to the group."""
    group = parser.add_mutually_exclusive_group(required=required)
    group.add_argument("--labels", metavar='"A,B,..."', help="class names, separated by commas")
    group.add_argument(
        "--labels-file", type=Path, metavar="FILE", help="a text file with a class name a line"
    )
    return group


def add_templates(parser: argparse.ArgumentParser) -> None:
    """`--templates`, which may be repeated."""
    parser.add_argument(
        "--templates",
        action="append",
        metavar="T",
        help='prompt template with one {} ("a photo of a {}."), repeated to average several, '
        "or one of the sets simple, subset, identity",
    )


def add_engine_options(parser: argparse.ArgumentParser) -> None:
    """`--device` and `--threads`."""
    parser.add_argument(
        "--device", help="cpu or cuda; default cpu where the target has it; never falls back silently"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="threads of the engine")


def read_labels(arguments: argparse.Namespace) -> list[str] | None:
    """The labels that were given, or None.

    Raises:
        LabelError: the file cannot be read.
    """
    if arguments.labels is not None:
        text: str = arguments.labels
        return [label.strip() for label in text.split(",")] if text.strip() else []
    if arguments.labels_file is None:
        return None
    path: Path = arguments.labels_file
    try:
        if path.stat().st_size > MAX_LABELS_FILE_BYTES:
            raise LabelError(
                "the file of labels is too large to be one",
                got=f"{path}: {path.stat().st_size} bytes",
                expected=f"at most {MAX_LABELS_FILE_BYTES}",
            )
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise LabelError(
            "the file of labels cannot be read",
            got=f"{path}: {error}",
            expected="a UTF-8 text file with a class name a line",
        ) from error
    return [line.strip() for line in lines if line.strip()]


def read_templates(arguments: argparse.Namespace) -> str | tuple[str, ...] | None:
    """The templates that were given: a set's name, templates, or None."""
    given: list[str] | None = arguments.templates
    if given is None:
        return None
    return given[0] if len(given) == 1 else tuple(given)


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
