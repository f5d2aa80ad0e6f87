"""What can be asked of a target: a frozen dataclass, each field with its command-line option.

The dataclass is the only table: the command line adds its options from it and reads them into it, and the
command that rebuilds a bundle is written from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, TypeVar

from groupvit_export.errors import UsageError

_KEY: Final = "flag"


@dataclass(frozen=True)
class TargetOptions:
    """Of a target that leaves nothing to choose; the others inherit."""


OptionsT = TypeVar("OptionsT", bound=TargetOptions)


@dataclass(frozen=True)
class Flag:
    """The command-line option of a field.

    Attributes:
        name: "--batch".
        help: one line.
        metavar: of its value; None for a switch.
        parse: the value from its text; is given the flag's name too, for errors.
        repeated: whether it may be given several times; the texts are joined by commas.
    """

    name: str
    help: str
    metavar: str | None
    parse: Callable[[str, str], Any]
    repeated: bool


def flag(
    name: str,
    help: str,
    metavar: str | None = None,
    parse: Callable[[str, str], Any] = lambda text, name: text,
    repeated: bool = False,
) -> Mapping[str, Flag]:
    """For ``field(metadata=...)``; the arguments are those of `Flag`."""
    return {_KEY: Flag(name, help, metavar, parse, repeated)}


def flags_of(options: type[TargetOptions]) -> dict[str, Flag]:
    """The command-line options by field, in the order of the fields."""
    return {item.name: item.metadata[_KEY] for item in fields(options)}


def given(options: TargetOptions) -> dict[str, Flag]:
    """The command-line options by field, of the fields that are not at their default."""
    usual = type(options)()
    return {
        name: own
        for name, own in flags_of(type(options)).items()
        if getattr(options, name) != getattr(usual, name)
    }


def command_line(options: TargetOptions) -> list[str]:
    """The words of a command line that say the same, without what is at its default."""
    words: list[str] = []
    for name, own in given(options).items():
        value = getattr(options, name)
        if own.metavar is None:
            words.append(own.name)
        else:
            words += said(own.name, [",".join(value) if isinstance(value, tuple) else str(value)])
    return words


def said(name: str, texts: Iterable[str]) -> list[str]:
    """The words that give a command-line option these values, one after the other."""
    # With "=" a value that begins with a dash is not taken for another option.
    return [
        word for text in texts for word in ((f"{name}={text}",) if text.startswith("-") else (name, text))
    ]


def read_options(kind: type[OptionsT], texts: Mapping[str, str | bool]) -> OptionsT:
    """Options from what a command line gave.

    Args:
        kind: of the target.
        texts: by flag, the text or True for a switch; only what was given.

    Raises:
        UsageError: a value cannot be understood.
    """
    values: dict[str, Any] = {}
    for name, own in flags_of(kind).items():
        if own.name in texts:
            text = texts[own.name]
            values[name] = own.parse(text, own.name) if isinstance(text, str) else text
    return kind(**values)


def integer(text: str, name: str) -> int:
    """For `Flag.parse`.

    Raises:
        UsageError: it is none.
    """
    try:
        return int(text)
    except ValueError as error:
        raise UsageError(f"{name} cannot be understood", got=text, expected="a whole number") from error


def one_of(what: str, value: str, legal: Sequence[str]) -> None:
    """Refuse a value that does not exist.

    Raises:
        UsageError: it is none of the legal ones; says `what` it should be, and which there are.
    """
    if value not in legal:
        raise UsageError(f"unknown {what}", got=value, expected=" or ".join(legal))
