"""The digest of a bundle: whatever a runtime would read differently has another one."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from bad_bundles import edit_manifest, flip_a_bit

from groupvit_export.cli import main
from groupvit_runtime import Segmenter
from groupvit_runtime.errors import BundleError, UsageError
from groupvit_runtime.open_bundle import open_bundle

CHANGES: dict[str, Callable[[dict[str, Any]], object]] = {
    "another mean": lambda value: value["preprocessing"]["hf"].update(mean=[0.1, 0.2, 0.3]),
    "another order of colors": lambda value: value["preprocessing"]["hf"].update(color_order="BGR"),
    "another prompt": lambda value: value.update(prompts=["not a {}."]),
    "fewer classes": lambda value: value["decode"]["paper"].update(top_classes=1),
    "another scale": lambda value: value["model"].update(logit_scale=1.0),
    "another default": lambda value: value["decode"].update(default="paper"),
}


@pytest.fixture
def copy(demo_bundles: Mapping[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo_bundles["onnx"], tmp_path / "bundle"))


def test_it_is_the_hash_of_the_manifest(copy: Path, tmp_path: Path) -> None:
    expected = hashlib.sha256((copy / "manifest.json").read_bytes()).hexdigest()
    assert open_bundle(copy).digest == expected
    archive = shutil.make_archive(str(tmp_path / "zipped"), "zip", copy)
    for path in (copy, archive):
        assert Segmenter.load(path, digest=expected.upper()).digest == expected


@pytest.mark.parametrize("change", CHANGES)
def test_a_bundle_of_which_anything_was_changed_is_refused(copy: Path, change: str) -> None:
    digest = open_bundle(copy).digest
    edit_manifest(copy, CHANGES[change])
    assert open_bundle(copy).digest != digest
    with pytest.raises(BundleError, match="not the bundle that was asked for"):
        Segmenter.load(copy, digest=digest)


def test_a_file_that_was_changed_with_its_hash_is_refused(copy: Path) -> None:
    digest = open_bundle(copy).digest
    flip_a_bit(copy, "tokenizer.json")
    found = hashlib.sha256((copy / "tokenizer.json").read_bytes()).hexdigest()
    edit_manifest(copy, lambda value: value["tokenizer"].update(sha256=found))
    with pytest.raises(BundleError, match="not the bundle that was asked for"):
        open_bundle(copy, digest)


def test_it_is_compared_before_the_manifest_is_read(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("no JSON")
    with pytest.raises(BundleError, match="not the bundle that was asked for"):
        open_bundle(tmp_path, "0" * 64)


@pytest.mark.parametrize("digest", ["", "abc", "g" * 64, "0" * 63, "0" * 65, "sha256:" + "0" * 57])
def test_what_is_no_digest_is_refused(copy: Path, digest: str) -> None:
    with pytest.raises(UsageError, match="not the digest of a bundle"):
        Segmenter.load(copy, digest=digest)


def test_the_commands_say_it_and_take_it(
    copy: Path, tmp_path: Path, scenes: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    def told(*arguments: str) -> dict[str, Any]:
        assert main([*arguments, "--json"]) == 0
        return dict(json.loads(capsys.readouterr().out))

    first = told("inspect", str(copy))["digest"]
    assert first == open_bundle(copy).digest
    second = told("vocab", str(copy), "--labels", "house,tree", "--add", "some")["digest"]
    assert second == open_bundle(copy).digest != first
    command = ["segment", str(copy), str(scenes.image(0)), "--vocab", "some", "-o", str(tmp_path / "out")]
    assert main([*command, "--digest", second]) == 0
    assert main([*command, "--digest", first, "--force"]) == 1
    assert "not the bundle that was asked for" in capsys.readouterr().err
    assert main(["inspect", str(copy)]) == 0
    assert second in capsys.readouterr().out
