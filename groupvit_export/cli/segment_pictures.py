"""The pictures that `groupvit segment --show` makes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from groupvit_export.errors import LabelError, UsageError

if TYPE_CHECKING:
    from PIL import Image

    from groupvit_runtime.result import Segmentation

_UNSAFE: Final = re.compile(r"[^\w.-]+")
_NAME_BYTES: Final = 60


@dataclass(frozen=True)
class Picture:
    """A picture of a result.

    Attributes:
        kind: one of `KINDS`.
        of: what comes after the colon: the name of a heat map, the stage of groups; None where nothing does.
    """

    kind: str
    of: str | None = None

    def draw(self, result: Segmentation) -> Image.Image:
        """The picture of a result."""
        return KINDS[self.kind](result, self.of)


def _groups(result: Segmentation, stage: str | None) -> Image.Image:
    return result.groups_overlay(None if stage is None else int(stage))


KINDS: Final[Mapping[str, Callable[[Segmentation, str | None], Image.Image]]] = MappingProxyType(
    {
        "overlay": lambda result, _: result.overlay(),
        "heatmap": lambda result, name: result.heatmap_overlay(name or ""),
        "confidence": lambda result, _: result.confidence_overlay(),
        "groups": _groups,
    }
)
_EXPECTED: Final = "overlay, confidence, groups, groups:STAGE, heatmap:NAME, or none"


def read_pictures(text: str) -> tuple[Picture, ...]:
    """The pictures of a list with commas; none of `none`.

    Raises:
        UsageError: there is no such picture, or one is given twice.
    """
    if text.strip() == "none":
        return ()
    pictures = []
    for word in text.split(","):
        kind, colon, of = (part.strip() for part in word.partition(":"))
        numbered = kind == "groups" and (not colon or of in ("1", "2", "3"))
        named = kind == "heatmap" and bool(of)
        if not (numbered or named or (kind in ("overlay", "confidence") and not colon)):
            raise UsageError("there is no such picture", got=repr(word.strip()), expected=_EXPECTED)
        pictures.append(Picture(kind, of or None))
    if len(set(pictures)) < len(pictures):
        raise UsageError("a picture is given twice", got=text, expected="each once")
    return tuple(pictures)


def picture_suffixes(pictures: Sequence[Picture]) -> dict[str, Picture]:
    """What the names of their files end in: `.overlay.png`, `.heatmap-red-car.png`, `.groups-1.png`."""
    found: dict[str, Picture] = {}
    for picture in pictures:
        stem = picture.kind if picture.of is None else f"{picture.kind}-{_for_file(picture.of)}"
        name, number = stem, 1
        # Names that differ only in what a file's name cannot have.
        while f".{name}.png" in found:
            number += 1
            name = f"{stem}-{number}"
        found[f".{name}.png"] = picture
    return found


def check_heatmaps(pictures: Sequence[Picture], names: Sequence[str]) -> None:
    """Refuse heat maps of what does not compete.

    Raises:
        LabelError: a name is not one of `names`.
    """
    unknown = [picture.of for picture in pictures if picture.kind == "heatmap" and picture.of not in names]
    if unknown:
        raise LabelError(
            "a heat map is wanted of a name that does not compete",
            got=f"--show heatmap:{unknown[0]}",
            expected=f"one of {', '.join(names)}",
        )


def _for_file(name: str) -> str:
    safe = _UNSAFE.sub("-", name).strip("-.") or "name"
    return safe.encode()[:_NAME_BYTES].decode(errors="ignore")
