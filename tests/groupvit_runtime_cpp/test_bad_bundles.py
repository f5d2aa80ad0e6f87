"""Every bundle that the Python runtime refuses gives a status and a message, and the process lives on."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from bad_bundles import (
    BROKEN_SCHEMA,
    LEAVING_PATHS,
    NO_BUNDLES,
    NO_OBJECTS,
    OLD_COMMAND,
    OLDER_SCHEMAS,
    OTHER_MANIFESTS,
    OTHER_SCHEMAS,
    edit_manifest,
    flip_a_bit,
    link_outside,
    make_older,
    truncate,
)
from cpp_runtime import CppError, CppSegmenter, Library, Status
from damaged_weights import refusals
from fresh_process import in_fresh_process
from refusals import refused


@pytest.fixture
def copy(demo_bundles: Mapping[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo_bundles["openvino"], tmp_path / "bundle"))


def refusal(library: Library, bundle: Path) -> str:
    error = refused(CppError, lambda: CppSegmenter(library, bundle), complete=False)
    assert error.status == Status.BUNDLE
    return str(error)


@pytest.mark.parametrize("version", OTHER_SCHEMAS)
def test_another_schema_version_is_refused(cpp_library: Library, copy: Path, version: object) -> None:
    edit_manifest(copy, lambda value: value.update(schema_version=version))
    assert "schema version" in refusal(cpp_library, copy)


@pytest.mark.parametrize("version", OLDER_SCHEMAS)
def test_an_older_bundle_is_refused_with_the_command_that_makes_it_anew(
    cpp_library: Library, copy: Path, version: int
) -> None:
    edit_manifest(copy, lambda value: make_older(value, version))
    assert OLD_COMMAND in refusal(cpp_library, copy)


@pytest.mark.parametrize("what", OTHER_MANIFESTS)
def test_the_manifest_of_something_else_is_refused(cpp_library: Library, copy: Path, what: str) -> None:
    (copy / "manifest.json").write_text(json.dumps(OTHER_MANIFESTS[what]))
    assert "not the manifest of a bundle" in refusal(cpp_library, copy)


@pytest.mark.parametrize("broken", BROKEN_SCHEMA)
def test_a_manifest_that_breaks_the_schema_is_refused(cpp_library: Library, copy: Path, broken: str) -> None:
    edit_manifest(copy, BROKEN_SCHEMA[broken])
    assert refusal(cpp_library, copy)


@pytest.mark.parametrize("path", LEAVING_PATHS)
def test_a_path_that_leaves_the_bundle_is_refused(cpp_library: Library, copy: Path, path: str) -> None:
    edit_manifest(copy, lambda value: value["engines"][0]["files"][0].update(path=path))
    assert "outside the bundle" in refusal(cpp_library, copy)


def test_a_link_that_leaves_the_bundle_is_refused(cpp_library: Library, copy: Path) -> None:
    link_outside(copy)
    assert "link that leaves" in refusal(cpp_library, copy)


@pytest.mark.parametrize("name", ["image.bin", "text.xml", "tokenizer.json"])
def test_a_missing_file_is_named(cpp_library: Library, copy: Path, name: str) -> None:
    (copy / name).unlink()
    message = refusal(cpp_library, copy)
    assert "missing" in message and name in message
    assert all(part in message for part in ("\n  got: ", "\n  expected: ", "\n  fix: "))


@pytest.mark.parametrize("name", ["image.bin", "text.bin"])
def test_a_truncated_file_is_named(cpp_library: Library, copy: Path, name: str) -> None:
    truncate(copy, name)
    message = refusal(cpp_library, copy)
    assert "truncated" in message and name in message


def test_one_flipped_bit_of_the_engine_is_noticed_before_it_runs(cpp_library: Library, copy: Path) -> None:
    flip_a_bit(copy, "image.bin")
    assert "not the one that was exported" in refusal(cpp_library, copy)


@pytest.mark.parametrize("name", ["text.bin", "tokenizer.json"])
def test_a_flipped_bit_of_the_text_side_is_noticed_when_words_come(
    cpp_library: Library, copy: Path, name: str
) -> None:
    flip_a_bit(copy, name)
    segmenter = CppSegmenter(cpp_library, copy)
    with pytest.raises(CppError, match="not the one that was exported") as caught:
        segmenter.encode(["house"])
    assert caught.value.status == Status.BUNDLE


@pytest.mark.parametrize("text", NO_OBJECTS)
def test_a_manifest_that_is_no_json_object_is_refused(cpp_library: Library, copy: Path, text: str) -> None:
    (copy / "manifest.json").write_text(text)
    assert refusal(cpp_library, copy)


def test_bytes_that_are_no_text_are_refused(cpp_library: Library, copy: Path) -> None:
    (copy / "manifest.json").write_bytes(b"\xff\xfe\x00")
    assert "manifest" in refusal(cpp_library, copy)


@pytest.mark.parametrize("what", NO_BUNDLES)
def test_what_is_no_bundle_is_refused(cpp_library: Library, tmp_path: Path, what: str) -> None:
    NO_BUNDLES[what](tmp_path / "thing")
    assert "bundle" in refusal(cpp_library, tmp_path / "thing")


def test_a_zipped_bundle_is_refused_with_what_to_do(cpp_library: Library, copy: Path, tmp_path: Path) -> None:
    archive = Path(shutil.make_archive(str(tmp_path / "zipped"), "zip", copy))
    assert "unzip" in refusal(cpp_library, archive)


@pytest.mark.usefixtures("cpp_library")
def test_damaged_shapes_are_refused_before_they_are_compiled(
    cpp_build: Callable[[str], Path], copy: Path
) -> None:
    """OpenVINO may end the process when it compiles them: until the hash is known, it only reads graphs."""
    messages = in_fresh_process(refusals, cpp_build("groupvit") / "libgroupvit.so", copy, 7)
    assert len(messages) > 10
    assert [text for text in messages if not text.startswith("BUNDLE") or "sha256" not in text] == []
