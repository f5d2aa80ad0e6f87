"""The manifest is read by the bounds of its JSON Schema, which another library evaluates."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from changed_manifests import changed_manifests
from damaged_bundles import full_manifest
from hypothesis import given, settings
from jsonschema import Draft202012Validator
from manifest_schema import SCHEMA, at_the_bounds, is_valid

from groupvit_runtime.errors import BundleError
from groupvit_runtime.manifest import SCHEMA_VERSION, parse_manifest

# What no schema of single values can say.
CROSS_CHECKED = re.compile(
    "contradict|the profile of|cannot be followed|older schema version|not the manifest of a bundle"
)


def check_agrees(value: Any, what: str = "") -> None:
    try:
        parse_manifest(json.dumps(value), "here")
    except BundleError as error:
        assert not is_valid(value) or CROSS_CHECKED.search(error.what), (what, error)
    else:
        assert is_valid(value), what


def test_the_schema_is_one_and_takes_what_is_written(demo_bundles: Mapping[str, Path]) -> None:
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["title"].endswith(f"schema {SCHEMA_VERSION}")
    assert is_valid(json.loads(full_manifest().to_text()))
    for bundle in demo_bundles.values():
        assert is_valid(json.loads((bundle / "manifest.json").read_text()))


@pytest.mark.slow
def test_every_bound_is_kept() -> None:
    found = list(at_the_bounds())
    assert {is_valid(value) for _, value in found} == {True, False}
    for what, value in found:
        check_agrees(value, what)


@settings(max_examples=100)
@given(changed_manifests())
def test_whatever_is_changed(value: Any) -> None:
    check_agrees(value)
