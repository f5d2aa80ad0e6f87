"""docs/manifest.md: every field of `manifest.json` with its type and bounds, from the JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

SCHEMA: Final = Path(__file__).resolve().parent.parent / "runtimes" / "manifest.schema.json"

_ITEMS: Final = "[]"


def render() -> str:
    """The page, in Markdown."""
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    rows = [
        f"| `{path}` | {kind} | {'yes' if required else 'no'} |"
        for path, kind, required in _rows(schema, schema, "")
    ]
    parts = [
        "# Fields of the manifest",
        f"{schema['title']}, as [manifest.schema.json](../runtimes/manifest.schema.json) has it. Made by "
        "`python -m tools.references`. Do not edit. What the fields mean: [bundle.md](bundle.md).",
        schema["description"],
        "\n".join(["| field | type and bounds | required |", "| --- | --- | --- |", *rows]),
    ]
    return "\n\n".join(parts) + "\n"


def _rows(schema: Mapping[str, Any], node: Mapping[str, Any], path: str) -> Iterator[tuple[str, str, bool]]:
    required = node.get("required", ())
    for name, given in node.get("properties", {}).items():
        place = f"{path}.{name}" if path else name
        field = _resolved(schema, given)
        yield place, _kind(schema, field), name in required
        yield from _inside(schema, field, place)


def _inside(
    schema: Mapping[str, Any], field: Mapping[str, Any], place: str
) -> Iterator[tuple[str, str, bool]]:
    for option in (field, *(_resolved(schema, one) for one in field.get("anyOf", ()))):
        yield from _rows(schema, option, place)
        items = option.get("items")
        if isinstance(items, Mapping):
            yield from _inside(schema, _resolved(schema, items), place + _ITEMS)


def _resolved(schema: Mapping[str, Any], node: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = node.get("$ref")
    if reference is None:
        return node
    target: Mapping[str, Any] = schema["$defs"][reference.rpartition("/")[2]]
    return {**_resolved(schema, target), **{key: value for key, value in node.items() if key != "$ref"}}


def _kind(schema: Mapping[str, Any], field: Mapping[str, Any]) -> str:
    if "const" in field:
        return f"`{json.dumps(field['const'])}`"
    if "enum" in field:
        return " or ".join(f"`{json.dumps(value)}`" for value in field["enum"])
    if "anyOf" in field:
        return " or ".join(_kind(schema, _resolved(schema, one)) for one in field["anyOf"])
    kind = field.get("type", "any")
    kind = " or ".join(kind) if isinstance(kind, list) else kind
    items = field.get("items")
    if isinstance(items, Mapping):
        kind += f" of {_kind(schema, _resolved(schema, items))}"
    return kind + _bounds(field)


def _bounds(field: Mapping[str, Any]) -> str:
    said = []
    for low, high, unit in (
        ("minimum", "maximum", ""),
        ("minItems", "maxItems", " items"),
        ("minLength", "maxLength", " characters"),
    ):
        ends = [f"{field[end]:,}" for end in (low, high) if end in field]
        if len(ends) == 2:
            said.append((ends[0] if ends[0] == ends[1] else " to ".join(ends)) + unit)
        elif ends:
            said.append(f"{'at least' if low in field else 'at most'} {ends[0]}{unit}")
    if "exclusiveMinimum" in field:
        said.append(f"above {field['exclusiveMinimum']:g}")
    if "pattern" in field:
        said.append("`" + field["pattern"].replace("|", "\\|") + "`")
    return f", {', '.join(said)}" if said else ""
