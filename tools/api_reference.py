"""Rewrites docs/api.md from the docstrings of the public names: `__all__` of both packages.

Usage: python -m tools.references
"""

from __future__ import annotations

import importlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields, is_dataclass
from functools import cached_property
from typing import Any, Final

PACKAGES: Final = ("groupvit_runtime", "groupvit_export")

_SECTION: Final = re.compile(r"^(Args|Attributes|Returns|Yields|Raises|Example|Examples):$")
_ENTRY: Final = re.compile(r"^([\w*.,` \[\]]+): (.*)$", re.DOTALL)


def render() -> str:
    """The page, in Markdown."""
    parts = [
        "# API reference",
        "Made from the docstrings by `python -m tools.references`. Do not edit. How things go together: "
        "[python.md](python.md).",
    ]
    for package in PACKAGES:
        module = importlib.import_module(package)
        names = sorted(getattr(module, "__all__", ()), key=str.lower)
        if not names:
            continue
        parts.append(f"## {package}")
        for name in names:
            parts += _entry(name, getattr(module, name))
    return "\n\n".join(parts) + "\n"


def _entry(name: str, found: object) -> Iterator[str]:
    yield f"### {name}"
    if inspect.isclass(found) and issubclass(found, Exception):
        bases = ", ".join(f"`{base.__name__}`" for base in found.__bases__)
        yield f"An error; a kind of {bases}."
        yield from _document(found)
        return
    yield from _signature(name, found)
    yield from _document(found)
    for member, value in _members(found).items() if inspect.isclass(found) else ():
        if member.startswith("_") and member != "__call__":
            continue
        plain = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        if isinstance(plain, (property, cached_property)):
            yield f"#### {name}.{member}"
            yield from _document(plain)
        elif inspect.isfunction(plain):
            yield f"#### {name}.{member}"
            yield from _signature(name if member == "__call__" else f"{name}.{member}", plain)
            yield from _document(plain)


def _members(found: type) -> dict[str, object]:
    """A class's own, and before them those of the package's classes that it is made of."""
    own = [base for base in reversed(found.__mro__) if base.__module__.startswith("groupvit_")]
    return {member: value for base in own for member, value in vars(base).items()}


def _signature(name: str, found: object) -> Iterator[str]:
    returns = ""
    if inspect.isclass(found) and is_dataclass(found):
        lines = [_field(field) for field in fields(found) if field.init and not field.name.startswith("_")]
    elif inspect.isclass(found):
        return
    else:
        assert callable(found)
        signature = inspect.signature(found)
        if signature.return_annotation is not signature.empty:
            returns = f" -> {signature.return_annotation}"
        shown = [value for key, value in signature.parameters.items() if key not in ("self", "cls")]
        lines = [str(value) for value in shown]
        keyword = [index for index, value in enumerate(shown) if value.kind is value.KEYWORD_ONLY]
        if keyword and not any(value.kind is value.VAR_POSITIONAL for value in shown):
            lines.insert(keyword[0], "*")
    one = f"{name}({', '.join(lines)}){returns}"
    many = f"{name}(\n" + "".join(f"    {line},\n" for line in lines) + f"){returns}"
    # A function's default is shown with its address, which changes.
    text = re.sub(r"<function .*? at 0x[0-9a-f]+>", "...", one if len(one) <= 100 else many)
    text = re.sub(r"'([^'\n]*)'(?=[,)\n =]|$)", _unquoted, text)
    yield f"```python\n{text}\n```"


def _unquoted(match: re.Match[str]) -> str:
    """An annotation that is a string, without its quotes; a default keeps them."""
    before = match.string[: match.start()]
    return match[1] if before.endswith((": ", "-> ")) else match[0]


def _field(field: Field[Any]) -> str:
    # A string, as the module postpones the evaluation of annotations.
    annotated = f"{field.name}: {field.type}"
    if field.default_factory is not MISSING:
        return f"{annotated} = {getattr(field.default_factory, '__name__', '...')}()"
    return annotated if field.default is MISSING else f"{annotated} = {field.default!r}"


def _document(found: object) -> Iterator[str]:
    """A docstring, its sections as lists."""
    own = found.__doc__ if inspect.isclass(found) else None
    text = inspect.cleandoc(own) if own is not None else inspect.getdoc(found) or ""
    for paragraph in re.split(r"\n\s*\n", text):
        head, _, body = paragraph.partition("\n")
        section = _SECTION.match(head)
        if section is None:
            yield " ".join(paragraph.split()) if not paragraph.startswith(" ") else _code(paragraph)
        elif section[1].startswith("Example"):
            yield f"**{section[1]}**"
            yield _code(body)
        else:
            yield f"**{section[1]}**"
            yield "\n".join(f"- {line}" for line in _items(body))


def _items(body: str) -> Iterator[str]:
    """Entries of a section; one that is indented further goes on."""
    entries: list[str] = []
    for line in textwrap.dedent(body).splitlines():
        if line.startswith(" ") and entries:
            entries[-1] += f" {line.strip()}"
        else:
            entries.append(line.strip())
    named = [_ENTRY.match(entry) for entry in entries]
    if not all(named):
        yield " ".join(entries)
        return
    for match in named:
        assert match is not None
        yield f"`{match[1]}`: {match[2]}"


def _code(text: str) -> str:
    return f"```python\n{textwrap.dedent(text)}\n```"
