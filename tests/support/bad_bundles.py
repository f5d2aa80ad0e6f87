"""What is wrong with bundles that both runtimes must refuse with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from groupvit_runtime.manifest import MANIFEST_NAME

Change = Callable[[dict[str, Any]], object]

OTHER_SCHEMAS: Final = (0, 1, "2", None)

BROKEN_SCHEMA: Final[Mapping[str, Change]] = MappingProxyType(
    {
        "no model": lambda value: value.pop("model"),
        "a field too many": lambda value: value.update(surprise=1),
        "text for a size": lambda value: value["model"].update(image_size="112"),
        "one side": lambda value: value["model"].update(image_size=[112]),
        "text for a number": lambda value: value["model"].update(logit_scale="big"),
        "true for a number": lambda value: value["model"].update(patch_size=True),
        "no decode": lambda value: value["decode"].update(default="best"),
        "no filter": lambda value: value["preprocessing"]["hf"].update(filter="psychic"),
        "no stride": lambda value: value["decode"]["paper"]["window"].update(stride=0),
        "an engine twice": lambda value: value["engines"].append(value["engines"][0]),
        "no files": lambda value: value["engines"][0].update(files=[]),
        "a number for a list": lambda value: value.update(engines=3),
    }
)

LEAVING_PATHS: Final = ("../secret", "/etc/passwd", "a/../../b", "C:\\x", "..\\x", "", "c:/x", "a\0b")

NO_OBJECTS: Final = ("", "{", "[]", "null", "[" * 100_000, '"x"')

NO_BUNDLES: Final[Mapping[str, Callable[[Path], object]]] = MappingProxyType(
    {
        "an empty folder": lambda path: path.mkdir(),
        "nothing": lambda path: None,
        "a file": lambda path: path.write_bytes(b"PK no zip"),
    }
)


def edit(bundle: Path, change: Change) -> None:
    """Change the manifest of a bundle."""
    path = bundle / MANIFEST_NAME
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def link_outside(bundle: Path) -> None:
    """Replace a file by a link that leaves the bundle."""
    outside = bundle.parent / "outside.xml"
    (bundle / "image.xml").rename(outside)
    (bundle / "image.xml").symlink_to(outside)


def truncate(bundle: Path, name: str) -> None:
    data = (bundle / name).read_bytes()
    (bundle / name).write_bytes(data[: len(data) // 2])


def flip_a_bit(bundle: Path, name: str) -> None:
    data = bytearray((bundle / name).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / name).write_bytes(data)
