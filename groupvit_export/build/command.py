"""The command line that makes the same engines again, generated from the options' fields."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from groupvit_export.build.options import BuildOptions
from groupvit_export.graph.passes import PASSES
from groupvit_export.targets.options import command_line, said

Format = Callable[[Any], tuple[str, ...]]
"""The value of a field to those of its command-line option, which is repeated where there are several."""


@dataclass(frozen=True)
class Row:
    """How a field is said on the command line.

    Attributes:
        field: its path, from the options on.
        flag: of the command line.
        format: what follows the flag; None for a switch.
        always: whether it is said even at its default.
    """

    field: str
    flag: str
    format: Format | None
    always: bool = False


def _text(value: object) -> tuple[str, ...]:
    return (str(value),)


def _number(value: float) -> tuple[str, ...]:
    short = f"{value:g}"
    return (short if float(short) == value else repr(value),)


def _size(value: tuple[int, int]) -> tuple[str, ...]:
    return (f"{value[0]}x{value[1]}",)


def _disabled(passes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in PASSES if name not in passes)


ROWS: Final = (
    Row("target", "--target", _text, always=True),
    Row("precision", "--precision", _text, always=True),
    Row("checkpoint", "--checkpoint", _text),
    Row("config", "--config", _text),
    Row("tokenizer", "--tokenizer", _text),
    Row("image_size", "--image-size", _size),
    Row("decode", "--decode", _text),
    Row("templates", "--templates", lambda templates: templates),
    Row("passes", "--disable-pass", _disabled),
    Row("input", "--input", _text),
    Row("decode_in_graph", "--decode-in-graph", None),
    Row("quantization.calibration", "--calibration", _text),
    Row("quantization.limit", "--limit", _text),
    Row("quantization.budget.max_miou_drop", "--max-miou-drop", _number),
    Row("quantization.budget.min_agreement", "--min-agreement", _number),
    Row("quantization.saturation_safe", "--allow-saturation", None),
)
"""In the order in which they are written; `target_options` follow, which have a table of their own."""


def build_command(options: BuildOptions, rows: Iterable[Row] = ROWS) -> str:
    """The command line that says the same, for a POSIX shell; what is at its default is left out."""
    usual = type(options)(options.target)
    words = ["groupvit", "export"]
    for row in rows:
        value = attrgetter(row.field)(options)
        if row.always or value != attrgetter(row.field)(usual):
            words += [row.flag] if row.format is None else said(row.flag, row.format(value))
    words += [] if options.target_options is None else command_line(options.target_options)
    return shlex.join(words)
