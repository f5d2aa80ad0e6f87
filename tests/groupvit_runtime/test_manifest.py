"""Manifests: what is read is what was written, and everything else is refused with a reason."""

from __future__ import annotations

import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bad_bundles import NO_BUNDLES, flip_a_bit, with_additions
from damaged_bundles import DAMAGED, Damage, full_manifest

from groupvit_runtime.errors import BundleError
from groupvit_runtime.manifest import (
    FileInfo,
    SchemaVersion,
    parse_manifest,
    read_manifest,
    with_vocabularies,
)
from groupvit_runtime.open_bundle import open_bundle
from groupvit_runtime.segmenter import Segmenter


@pytest.fixture
def copy(demo_bundles: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo_bundles["openvino"], tmp_path / "bundle"))


def test_a_manifest_survives_a_round_trip(demo_bundle: Path) -> None:
    manifest = read_manifest(demo_bundle)
    assert parse_manifest(manifest.to_text(), "here") == manifest


def test_it_says_everything_a_runtime_needs(demo_bundle: Path) -> None:
    manifest = read_manifest(demo_bundle)
    assert manifest.model.image_size == (224, 224)
    assert manifest.model.groups == (24, 12)
    assert {engine.role for engine in manifest.engines} == {"image", "text"}
    assert all(engine.versions and engine.inputs and engine.outputs for engine in manifest.engines)
    assert manifest.verdict == "PASS"
    assert str(Path.home()) not in manifest.to_text()


def test_what_a_newer_minor_version_adds_is_ignored() -> None:
    """In every record, and kept when a vocabulary is added."""
    newer = with_additions(json.loads(full_manifest().to_text()))
    newer["schema_version"]["minor"] = 7
    manifest = replace(full_manifest(), schema_version=SchemaVersion(5, 7))
    assert parse_manifest(json.dumps(newer), "here") == manifest
    text = with_vocabularies(newer, ())
    assert parse_manifest(text, "here") == replace(manifest, vocabularies=())
    assert json.loads(text) == {**newer, "vocabularies": []}


def test_neither_date_nor_command_is_in_it(demo_bundle: Path) -> None:
    """Two exports of the same input would differ."""
    text = (demo_bundle / "manifest.json").read_text()
    provenance = json.loads((demo_bundle / "provenance.json").read_text())
    assert provenance["command"] not in text and provenance["created"][:10] not in text


@pytest.mark.parametrize(("damage", "message"), DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_bundle_is_refused(copy: Path, damage: Damage, message: str) -> None:
    damage(copy)
    with pytest.raises(BundleError, match=message):
        open_bundle(copy)


def test_nothing_of_a_manifest_is_lost() -> None:
    manifest = full_manifest()
    assert parse_manifest(manifest.to_text(), "here") == manifest


def test_one_flipped_bit_of_the_engine_is_noticed_before_it_runs(copy: Path) -> None:
    flip_a_bit(copy, "image.bin")
    with pytest.raises(BundleError, match="not the one that was exported"):
        Segmenter.load(copy)


@pytest.mark.parametrize("what", NO_BUNDLES)
def test_what_is_no_bundle_is_refused(tmp_path: Path, what: str) -> None:
    NO_BUNDLES[what](tmp_path / "thing")
    with pytest.raises(BundleError, match="bundle"):
        open_bundle(tmp_path / "thing")


@pytest.mark.parametrize("inside", ["", "folder/"])
def test_a_zipped_bundle_works_like_its_folder(
    copy: Path, tmp_path: Path, inside: str, demo_labels: list[str], scenes: Any
) -> None:
    archive = tmp_path / "bundle.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in sorted(copy.iterdir()):
            file.write(path, inside + path.name)
    zipped, folder = Segmenter.load(archive), Segmenter.load(copy)
    image = scenes.image(0)
    assert (zipped(image, demo_labels).labels == folder(image, demo_labels).labels).all()


def test_the_temporary_folder_of_a_zipped_bundle_goes_with_it(copy: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "zipped"), "zip", copy))
    bundle = open_bundle(archive)
    root = bundle.root
    assert root.is_dir()
    del bundle
    assert not root.exists()


def test_every_message_says_what_and_how_to_mend_it(copy: Path) -> None:
    (copy / "image.bin").unlink()
    with pytest.raises(BundleError) as caught:
        open_bundle(copy)
    error = caught.value
    assert error.what and error.got and error.expected and error.fix


def test_file_info_describes_a_file(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"abc")
    info = FileInfo.of(tmp_path, "a.bin")
    assert info.bytes == 3
    assert info.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert info.verify(tmp_path) == tmp_path / "a.bin"
