"""docs/c-api.md: the declarations of groupvit.h, each with the comment above it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

HEADER: Final = (
    Path(__file__).resolve().parent.parent / "runtimes" / "cpp" / "include" / "groupvit" / "groupvit.h"
)


def render() -> str:
    """The page, in Markdown."""
    text = HEADER.read_text(encoding="utf-8")
    head, rest = text.split("*/", 1)
    parts = [
        "# C API",
        "The header `groupvit/groupvit.h`. Made by `python -m tools.references`. Do not edit. How to build "
        "and use the library, and the C++ wrapper: [cpp.md](cpp.md).",
        *_prose(head.lstrip("/* \n")),
    ]
    for comment, code in _declarations(rest):
        name = _name(code)
        parts += [f"## {name}", *([_flowing(comment)] if comment else []), f"```c\n{code}\n```"]
    return "\n\n".join(parts) + "\n"


def _declarations(text: str) -> list[tuple[str, str]]:
    """Comment and code of every function and every type with fields, in order."""
    found: list[tuple[str, str]] = []
    comment = ""
    lines = iter(text.splitlines())
    for line in lines:
        if line.startswith("/*"):
            comment = _uncommented(_until(line, lines, "*/"))
        elif line.startswith("GROUPVIT_API"):
            found.append((comment, "\n".join(_until(line, lines, ";")).removeprefix("GROUPVIT_API ")))
            comment = ""
        elif line.startswith("typedef") and line.endswith("{"):
            found.append((comment, "\n".join(_until(line, lines, "}"))))
            comment = ""
        elif line:
            # What the comment was for is none of these.
            comment = ""
    return found


def _until(line: str, lines: Iterator[str], end: str) -> list[str]:
    """The line and those after it, up to the first that has `end`; of a type, the one that begins with it."""
    block = [line]
    while not (block[-1].startswith(end) if end == "}" else end in block[-1]):
        block.append(next(lines))
    return block


def _name(code: str) -> str:
    last = code.splitlines()[-1] if code.startswith("typedef") else code
    match = re.search(r"(\w+)\s*(?:\(|;$)", last)
    if match is None:
        raise ValueError(f"no name in {code!r}")
    return match[1]


def _uncommented(lines: list[str]) -> str:
    text = "\n".join(re.sub(r"^\s*\*? ?", "", line) for line in lines)
    return text.removeprefix("/").removeprefix("*").removesuffix("*/").replace("/* ", "").strip()


def _prose(comment: str) -> list[str]:
    paragraphs = re.split(
        r"\n\s*\*?\s*\n", "\n".join(re.sub(r"^ ?\* ?", "", line) for line in comment.splitlines())
    )
    return [_flowing(paragraph) for paragraph in paragraphs if paragraph.strip()]


def _flowing(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().replace("*_", "\\*_")
