"""The pages as Sphinx reads them: those of the clone, with what they link to beside them and a navigation."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Final

from tools.site.pages import INDEX, NAVIGATION

ROOT: Final = Path(__file__).resolve().parents[2]

_LINK: Final = re.compile(r"(?P<before>!?\[[^\]]*\]\()(?P<path>[^)#\s:]+)(?P<after>(?:#[^)\s]*)?\))")
_TEXT: Final = re.compile(r"\[([^\]]*)\]\($")
_IMAGE: Final = re.compile(r'<img src="(?P<path>[^":]+)"')
_FRONT_MATTER: Final = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)


def stage(folder: Path) -> None:
    """Copy what the site is made of.

    Args:
        folder: empty.

    Raises:
        FileNotFoundError: a page of the navigation, or what a page links to, is not there.
    """
    pages = [INDEX, *(page for group in NAVIGATION.values() for page in group)]
    for page in pages:
        text = _FRONT_MATTER.sub("", (ROOT / page).read_text(encoding="utf-8"))
        place = folder / page
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(_adapted(text, page, pages, folder), encoding="utf-8")
    (folder / "index.md").write_text(_index(folder), encoding="utf-8")


def _adapted(text: str, page: str, pages: list[str], folder: Path) -> str:
    """The text with its links kept where their targets are in the site; those targets are copied."""

    def link(match: re.Match[str]) -> str:
        target = os.path.normpath(Path(page).parent / match["path"])
        if target == INDEX:
            return f"{match['before']}{os.path.relpath('index.md', Path(page).parent)}{match['after']}"
        if target in pages:
            return match[0]
        if (ROOT / target).is_dir() or target.endswith(".md"):
            # Folders of the clone have no page.
            shown = _TEXT.search(match["before"])
            return shown[1] if shown else match[0]
        _copy(target, folder)
        return match[0]

    def image(match: re.Match[str]) -> str:
        _copy(os.path.normpath(Path(page).parent / match["path"]), folder)
        return match[0]

    return _IMAGE.sub(image, _LINK.sub(link, text))


def _copy(target: str, folder: Path) -> None:
    place = folder / target
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(ROOT / target, place)


def _index(folder: Path) -> str:
    """The front page, with the navigation below it."""
    text = (folder / INDEX).read_text(encoding="utf-8")
    (folder / INDEX).unlink()
    docs = Path(INDEX).parent
    text = _LINK.sub(
        lambda match: f"{match['before']}{os.path.normpath(docs / match['path'])}{match['after']}", text
    )
    groups = [
        "\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```"])
        for caption, pages in NAVIGATION.items()
    ]
    return "\n\n".join([text, *groups]) + "\n"
