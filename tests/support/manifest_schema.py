"""`runtimes/manifest.schema.json`, by the library jsonschema, and manifests at every one of its bounds."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from damaged_bundles import full_manifest
from jsonschema import Draft202012Validator, validators

SCHEMA: Final = json.loads(
    (Path(__file__).resolve().parents[2] / "runtimes" / "manifest.schema.json").read_text(encoding="utf-8")
)
_FULL: Final = json.loads(full_manifest().to_text())
# JSON Schema takes 16.0 for an integer; the manifest does not.
_VALIDATOR: Final = validators.extend(
    Draft202012Validator,
    type_checker=Draft202012Validator.TYPE_CHECKER.redefine("integer", lambda _, value: type(value) is int),
)(SCHEMA)
_TEMPLATES: Final = (
    "{}", "{}}}", "}}{}", "a {}.", "", "{x}", "{1}", "{", "[]", "{:2000000000}", "{{}}", "{}{}", "}{}}",
    "{}}", "no place", "{!r}", "{{{}}}", "}}}}{}", "{}\n",
)  # fmt: skip
_OTHER_TEXTS: Final = (
    "../x",
    "a/..",
    "a/../b",
    "..",
    "..\n",
    "/x",
    "a:b",
    "0" * 63,
    "F" * 64,
    "0" * 64 + "\n",
)


def is_valid(value: Any) -> bool:
    """What the schema says of a manifest."""
    return bool(_VALIDATOR.is_valid(value))


def at_the_bounds() -> Iterator[tuple[str, Any]]:
    """Manifests with one value at, or beyond, a bound of the schema; each with a name."""
    for path, rule in _rules(SCHEMA, _FULL, ()):
        for name, value in _values(rule, _at(_FULL, path)):
            yield f"{'.'.join(map(str, path))} {name}", _with(path, value)


def _rules(rule: dict[str, Any], value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, dict[str, Any]]]:
    rule = _resolved(rule)
    yield path, rule
    if isinstance(value, dict):
        for key, item in value.items():
            inner = rule.get("properties", {}).get(key) or rule.get("additionalProperties")
            if inner is not None:
                yield from _rules(inner, item, (*path, key))
    elif isinstance(value, list) and value:
        yield from _rules(rule["items"], value[0], (*path, 0))


def _resolved(rule: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in rule:
        return _resolved(SCHEMA["$defs"][rule["$ref"].rpartition("/")[2]])
    if "anyOf" in rule:
        return _resolved(rule["anyOf"][1])
    return rule


def _values(rule: dict[str, Any], now: Any) -> Iterator[tuple[str, Any]]:
    for bound, step in (("minimum", -1), ("maximum", 1)):
        if bound in rule:
            limit = rule[bound]
            beyond = limit + step if rule["type"] == "integer" else limit + step * max(abs(limit), 1) * 1e-9
            yield f"at its {bound}", limit
            yield f"beyond its {bound}", beyond
            yield f"far beyond its {bound}", step * 2**62
    if "maxLength" in rule:
        yield "at its length", "é" * rule["maxLength"]
        yield "beyond its length", "é" * (rule["maxLength"] + 1)
    if "pattern" in rule:
        for number, text in enumerate(
            (*_TEMPLATES, "../x", "a/..", "a/../b", "..", "/x", "a:b", "0" * 63, "F" * 64)
        ):
            yield f"as text {number}", text
    if "maxItems" in rule:
        yield "at most", [now[0]] * rule["maxItems"] if now else []
        yield "more than at most", [now[0]] * (rule["maxItems"] + 1) if now else [0] * (rule["maxItems"] + 1)
        yield "without items", []
    if "maxProperties" in rule:
        yield "at most", {str(index): "x" for index in range(rule["maxProperties"])}
        yield "more than at most", {str(index): "x" for index in range(rule["maxProperties"] + 1)}


def _at(value: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def _with(path: tuple[Any, ...], value: Any) -> Any:
    whole = copy.deepcopy(_FULL)
    if path:
        _at(whole, path[:-1])[path[-1]] = value
    return whole
