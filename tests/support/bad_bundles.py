"""What is wrong with bundles that both runtimes must refuse with a reason."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from groupvit_runtime.manifest import MANIFEST_NAME

Change = Callable[[dict[str, Any]], object]

OTHER_SCHEMAS: Final[tuple[object, ...]] = (
    0,
    5,
    "5.0",
    None,
    {},
    {"major": 4, "minor": 0},
    {"major": 6, "minor": 0},
    {"major": "5", "minor": 0},
    {"major": 5.0, "minor": 0},
    {"major": True, "minor": 0},
)

BROKEN_SCHEMA: Final[Mapping[str, Change]] = MappingProxyType(
    {
        "no model": lambda value: value.pop("model"),
        "no minor version": lambda value: value["schema_version"].pop("minor"),
        "a field by another name": lambda value: value["engines"][0].update(
            normalises=value["engines"][0].pop("normalizes")
        ),
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


# Bundles of the first edition: the schema was one number, and how they came to be was in the manifest.
OLDER_SCHEMAS: Final = (1, 4)
OLD_COMMAND: Final = "groupvit export --target openvino -o my-bundle"


def make_older(value: dict[str, Any], version: int, command: str = OLD_COMMAND) -> None:
    """Change a manifest into one of the first edition, as far as that can be told."""
    for name in ("format", "requires"):
        del value[name]
    checkpoint = {"source": "demo", "format": "hugging face", "fingerprint": value.pop("fingerprint")}
    value.update(schema_version=version, toolkit_version="0.1.0", command=command, checkpoint=checkpoint)


OTHER_MANIFESTS: Final[Mapping[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "a browser extension": {"manifest_version": 3, "name": "Tabs", "version": "1.0", "action": {}},
        "a web app": {"name": "Notes", "start_url": ".", "display": "standalone", "icons": []},
        "a schema version alone": {"schema_version": 4, "name": "x"},
        "another format": {"format": "groupvit", "schema_version": {"major": 5, "minor": 0}},
        "an older one with a format": {
            "format": 1,
            "schema_version": 4,
            "toolkit_version": "",
            "checkpoint": {},
            "engines": [],
        },
    }
)


def edit_manifest(bundle: Path, change: Change) -> None:
    """Change the manifest of a bundle."""
    path = bundle / MANIFEST_NAME
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def with_additions(value: Any) -> Any:
    """The same with a field more in every object, but in those that are tables."""
    if isinstance(value, list):
        return [with_additions(item) for item in value]
    if not isinstance(value, dict):
        return value
    changed = {key: item if key == "versions" else with_additions(item) for key, item in value.items()}
    return {**changed, "added later": {"by": ["a", "minor", "version"]}}


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
