"""Pages out of templates."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

from PIL import Image

from groupvit_export.errors import MissingDependencyError
from groupvit_runtime.install_hint import install_hint

EXTRA: Final = "report"
_NEEDED: Final = ("jinja2", "matplotlib")


@dataclass(frozen=True)
class Origin:
    """How a page came to be.

    Attributes:
        command: as it was typed.
        created: date and time in ISO 8601.
    """

    command: str
    created: str


@dataclass(frozen=True)
class Headline:
    """What a reader sees first.

    Attributes:
        title: whose page it is.
        verdict: in a word or two.
        tone: "good", "doubtful", "bad" or "neutral": the color of the verdict.
        sentence: what it means.
    """

    title: str
    verdict: str
    tone: str
    sentence: str


@dataclass(frozen=True)
class Figure:
    """An image of a page.

    Attributes:
        source: a data URI.
        caption: below it, and for those who cannot see it.
    """

    source: str
    caption: str


@dataclass(frozen=True)
class Cells:
    """A table of text.

    Attributes:
        header: of the columns.
        rows: as many cells each.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[str]]


def check_installed() -> None:
    """Refuse before anything long has begun.

    Raises:
        MissingDependencyError: what makes pages is not installed.
    """
    missing = [package for package in _NEEDED if find_spec(package) is None]
    if missing:
        raise MissingDependencyError(
            "an HTML report needs packages that are not installed",
            got=f"missing: {', '.join(missing)}",
            fix=f"{install_hint(EXTRA)}, or omit --html",
        )


def render(template: str, headline: Headline, origin: Origin, **values: Any) -> str:
    """A whole page.

    Args:
        template: of the folder `templates`.
        headline, origin: at its top.
        values: of the template; text becomes text, whatever it contains. What is no Unicode, which a file's
            name may have, is escaped.

    Raises:
        MissingDependencyError: what makes pages is not installed.
    """
    check_installed()
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("groupvit_export.html"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    page = environment.get_template(template).render(headline=headline, origin=origin, **values)
    return page.encode(errors="backslashreplace").decode()


def photograph(image: Image.Image, caption: str, size: tuple[int, int]) -> Figure:
    """An image as a JPEG, shrunk to fit into `size`, (width, height)."""
    image.thumbnail(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=88)
    return Figure(data_uri(buffer.getvalue(), "jpeg"), caption)


def warnings_below(count: int) -> str:
    """The end of a sentence that must not be read without them."""
    if not count:
        return ""
    return " Read the warning below." if count == 1 else f" Read the {count} warnings below."


def data_uri(content: bytes, kind: str) -> str:
    """An image as an address that contains it; `kind` is "jpeg" or "svg+xml"."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
