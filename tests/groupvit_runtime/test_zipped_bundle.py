"""Zip files that are no bundles, damaged ones, and such as hold more than a bundle."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from bad_bundles import edit_manifest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groupvit_runtime import zipped_bundle
from groupvit_runtime.errors import BundleError
from groupvit_runtime.open_bundle import open_bundle

SIZE = 100
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


@pytest.fixture
def copy(demo_bundles: Mapping[str, Path], tmp_path: Path) -> Path:
    """A bundle whose files are there and no more: nothing of them is looked at but their sizes."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    for name in ("manifest.json", "provenance.json"):
        shutil.copy(demo_bundles["onnx"] / name, bundle)

    def shorten(value: dict[str, Any]) -> None:
        for file in (value["tokenizer"], *(file for engine in value["engines"] for file in engine["files"])):
            (bundle / file["path"]).write_bytes(b"x" * SIZE)
            file["bytes"] = SIZE

    edit_manifest(bundle, shorten)
    return bundle


def zipped(folder: Path, method: int = zipfile.ZIP_STORED, **more: bytes | str) -> Path:
    archive = folder.parent / "bundle.zip"
    with zipfile.ZipFile(archive, "w", method) as file:
        for path in sorted(folder.iterdir()):
            file.write(path, path.name)
        for name, data in more.items():
            file.writestr(name, data)
    return archive


def test_what_the_manifest_does_not_name_is_not_unpacked(copy: Path) -> None:
    more = {"../evil": "x", "/evil": "x", "large.bin": bytes(1 << 20), "sub/other.onnx": "x"}
    bundle = open_bundle(zipped(copy, zipfile.ZIP_DEFLATED, **more))
    named = {file.path for file in bundle.manifest.all_files} | {"manifest.json", "provenance.json"}
    assert {str(path.relative_to(bundle.root)) for path in bundle.root.rglob("*")} == named
    assert not (bundle.root.parent / "evil").exists()


@pytest.mark.parametrize("method", METHODS)
def test_every_compression_is_read_and_its_damage_is_of_the_bundle(copy: Path, method: int) -> None:
    archive = zipped(copy, method)
    whole = archive.read_bytes()
    assert open_bundle(archive).manifest.name
    place = whole.index(b"manifest.json") + 40
    for damage in (b"\xff" * 64, b"\0" * 64):
        archive.write_bytes(whole[:place] + damage + whole[place + 64 :])
        with pytest.raises(BundleError):
            open_bundle(archive)


def entry_header(data: bytearray, place: int, value: int) -> bytearray:
    """Change two bytes of the first entry, in its own header and in the central directory."""
    local, central = data.index(b"PK\x03\x04"), data.index(b"PK\x01\x02")
    for start in (local + place, central + place + 2):
        data[start : start + 2] = value.to_bytes(2, "little")
    return data


DAMAGED: dict[str, Callable[[bytearray], bytes | bytearray]] = {
    "encrypted": lambda data: entry_header(data, 6, 1),
    "a compression that nobody knows": lambda data: entry_header(data, 8, 99),
    "patched data": lambda data: entry_header(data, 6, 0x20),
    "a newer version": lambda data: entry_header(data, 4, 9999),
    "cut": lambda data: data[: len(data) // 2],
    "nothing": lambda data: b"",
    "no zip": lambda data: b"PK\x03\x04" + bytes(1000),
    "names that are no text": lambda data: entry_header(data, 6, 0x800).replace(
        b"manifest.json", b"manife\xff\xff.json"
    ),
}


@pytest.mark.parametrize("damage", DAMAGED)
def test_a_damaged_zip_is_a_damaged_bundle(tmp_path: Path, damage: str) -> None:
    archive = tmp_path / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("manifest.json", "{}")
    archive.write_bytes(DAMAGED[damage](bytearray(archive.read_bytes())))
    with pytest.raises(BundleError):
        open_bundle(archive)


def test_sizes_are_those_of_the_manifest(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped(copy)
    monkeypatch.setattr(zipped_bundle, "MAX_UNPACKED_BYTES", 2 * SIZE)
    with pytest.raises(BundleError, match="too large"):
        open_bundle(archive)
    monkeypatch.undo()
    edit_manifest(copy, lambda value: value["tokenizer"].update(bytes=5))
    with pytest.raises(BundleError, match=r"missing(.|\n)*tokenizer.json, 5 bytes"):
        open_bundle(zipped(copy))


def test_a_manifest_that_unpacks_to_gigabytes_is_not_unpacked(tmp_path: Path) -> None:
    archive = tmp_path / "bundle.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("manifest.json", b" " * (64 << 20))
    with pytest.raises(BundleError, match="too large"):
        open_bundle(archive)


LONG = {"too deep": "a/" * 3000 + "b", "too long": "x" * 300, "below a file": "image.onnx/x"}


@pytest.mark.parametrize("path", LONG.values(), ids=LONG)
def test_names_that_no_file_system_takes_are_of_the_bundle(copy: Path, path: str) -> None:
    edit_manifest(copy, lambda value: value["tokenizer"].update(path=path))
    with pytest.raises(BundleError):
        open_bundle(zipped(copy, **{path: b"x" * SIZE}))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(changes=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(0, 255)), min_size=1, max_size=8))
def test_nothing_but_errors_of_bundles_falls_out(tmp_path: Path, changes: list[tuple[int, int]]) -> None:
    archive = tmp_path / "bundle.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name in ("manifest.json", "image.onnx"):
            file.writestr(name, json.dumps({"format": "groupvit-bundle", "engines": [name] * 20}))
    data: Any = bytearray(archive.read_bytes())
    for place, value in changes:
        data[place % len(data)] = value
    archive.write_bytes(data)
    with pytest.raises(BundleError):
        open_bundle(archive)
