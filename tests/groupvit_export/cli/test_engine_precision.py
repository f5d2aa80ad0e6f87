"""Verbs on a bundle with two image engines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest
from several_engines import with_alternatives

from groupvit_export.cli import main
from groupvit_runtime import Segmenter
from groupvit_runtime.manifest import read_manifest


@pytest.fixture
def several(demo_bundles: Mapping[str, Path], tmp_path: Path) -> Path:
    return with_alternatives(demo_bundles["openvino"], tmp_path / "bundle", "int8")


def test_segment_with_one_of_them(
    several: Path, scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [
        "segment",
        str(several),
        str(scenes.image(0)),
        "--labels",
        "sky,grass",
        "-o",
        str(tmp_path / "o"),
    ]
    assert main([*command, "--precision", "int8", "--quiet"]) == 0
    assert main([*command, "--precision", "bf16", "--force"]) == 2
    assert "fp32 or int8" in capsys.readouterr().err


def test_bench_holds_them_against_each_other(several: Path, tmp_path: Path) -> None:
    out = tmp_path / "records.jsonl"
    options = ["--precision", "fp32,int8", "--compare", "--rounds", "10", "--cold", "0", "--warm-up", "1"]
    assert main(["bench", str(several), *options, "--json", str(out), "--quiet"]) == 0
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert [record["bundle"]["name"] for record in records] == ["bundle fp32", "bundle int8"]
    assert [record["bundle"]["precision"] for record in records] == ["fp32", "int8"]
    assert "int8 of fp32, int8, as asked" in records[1]["engine"]


def test_a_cached_vocabulary_leaves_them(several: Path) -> None:
    assert main(["vocab", str(several), "--labels", "sky,grass", "--add", "two", "--quiet"]) == 0
    manifest = read_manifest(several)
    assert [engine.precision for engine in manifest.image_engines] == ["fp32", "int8"]
    assert len(manifest.vocabularies) == 1


def test_a_zipped_bundle_has_them(several: Path, tmp_path: Path) -> None:
    path = shutil.make_archive(str(tmp_path / "zipped"), "zip", several)
    assert Segmenter.load(path, precision="int8").image_engine.precision == "int8"


def test_inspect_shows_them(several: Path, capsys: pytest.CaptureFixture[str]) -> None:
    # Changed after it was sealed; without provenance there is nothing to hold it against.
    (several / "provenance.json").unlink()
    assert main(["inspect", str(several)]) == 0
    shown = capsys.readouterr().out
    assert "image engine: openvino int8" in shown and "int8/image.bin" in shown
