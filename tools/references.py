"""Rewrites the pages of docs/ that are made of the code.

Usage: python -m tools.references
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from tools import api_reference, c_reference, commands_reference, manifest_reference

DOCS: Final = Path(__file__).resolve().parent.parent / "docs"

PAGES: Final[Mapping[str, Callable[[], str]]] = MappingProxyType(
    {
        "api.md": api_reference.render,
        "c-api.md": c_reference.render,
        "commands.md": commands_reference.render,
        "manifest.md": manifest_reference.render,
    }
)


def main() -> None:
    """Write them."""
    for name, render in PAGES.items():
        (DOCS / name).write_text(render(), encoding="utf-8")


if __name__ == "__main__":
    main()
