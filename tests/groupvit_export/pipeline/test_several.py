"""Exports with several image engines, of the demo."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper

from groupvit_export.cli import main
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.pipeline.api import ExportOptions, ExportResult, export_bundle
from groupvit_export.provenance import is_manifest_sealed, read_provenance
from groupvit_export.quantization.options import QuantizationOptions
from groupvit_export.verification.api import VerifyOptions, verify_bundle
from groupvit_runtime import Segmenter
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.manifest import FileInfo, read_manifest
from groupvit_runtime.open_bundle import open_bundle

pytestmark = pytest.mark.slow

_FEW = QuantizationOptions(budget=LabelBudget(max_miou_drop=10.0, min_agreement=90.0), limit=4)
"""Ranges of two images keep less than the usual budget asks for, with other words."""


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> ExportResult:
    folder = tmp_path_factory.mktemp("several") / "both"
    return export_bundle(
        ExportOptions(
            "onnx", precision="fp32", also=("int8",), output=folder, quantization=_FEW, command="typed"
        )
    )


def test_a_bundle_of_two(both: ExportResult) -> None:
    opened = open_bundle(both.path)
    manifest, provenance = opened.manifest, read_provenance(opened)
    assert [engine.precision for engine in manifest.image_engines] == ["fp32", "int8"]
    assert manifest.verdict == "PASS" and manifest == both.manifest and is_manifest_sealed(opened)
    assert manifest.measured is None or set(manifest.measured.fastest_first) == {"fp32", "int8"}
    assert provenance.rebuild == (
        "groupvit export --target onnx --precision fp32 --limit 4 "
        "--max-miou-drop 10 --min-agreement 90 --also int8"
    )
    assert provenance.choice is None
    assert [row.precision for row in provenance.precisions] == ["fp32", "int8"]
    (further,) = provenance.alternatives
    assert further.precision == "int8" and further.parity.verdict == "PASS"
    assert further.engine.quantization is not None and further.engine.quantization.quantized > 40
    written = sorted(str(path.relative_to(both.path)) for path in both.path.rglob("*") if path.is_file())
    assert written == [
        *("image.onnx", "int8/image.onnx", "manifest.json", "provenance.json", "text.onnx", "tokenizer.json")
    ]
    for engine in manifest.image_engines:
        graph = onnx.load(both.path / engine.files[0].path)
        assert {item.key: item.value for item in graph.metadata_props}["precision"] == engine.precision


@pytest.mark.parametrize(("flags", "expected"), [(("avx2", "avx512_vnni"), "int8"), (("avx2",), "fp32")])
def test_processors_take_what_is_fast_there(
    both: ExportResult, scenes, flags: tuple[str, ...], expected: str
) -> None:
    segmenter = Segmenter(open_bundle(both.path), EngineOptions(), None, None, flags=flags)
    assert segmenter.image_engine.precision == expected
    assert segmenter(scenes.image(0), ["sky", "grass"]).labels.shape == (224, 224)


def test_every_image_engine_is_verified(both: ExportResult) -> None:
    report = verify_bundle(both.path, VerifyOptions(limit=4)).report
    names = [column.name for column in report.columns]
    assert {"onnx fp32", "onnx int8"} <= set(names) and len(set(names)) == len(names)
    assert report.verdict == "PASS"
    assert report.cell("labels_pixels_unlike_fp32", "onnx int8").verdict == "PASS"


def test_a_spoiled_one_fails(both: ExportResult, tmp_path: Path) -> None:
    bundle = shutil.copytree(both.path, tmp_path / "bundle")
    graph = onnx.load(bundle / "int8" / "image.onnx")
    for weight in graph.graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT and len(weight.dims) > 1:
            weight.CopyFrom(numpy_helper.from_array(-numpy_helper.to_array(weight), weight.name))
    onnx.save(graph, bundle / "int8" / "image.onnx")
    manifest = read_manifest(bundle)
    image = replace(manifest.alternatives[0], files=(FileInfo.of(bundle, "int8/image.onnx"),))
    (bundle / "manifest.json").write_text(replace(manifest, alternatives=(image,)).to_text())
    report = verify_bundle(bundle, VerifyOptions(limit=4)).report
    assert report.column_verdict("onnx int8") == report.verdict == "FAIL"
    assert report.column_verdict("onnx fp32") == "PASS"


def test_auto_chooses_by_rule_for_another_processor(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["export", "--target", "onnx", "--precision", "auto", "--for", "arm64", "--limit", "4"]
    assert main([*command, "-o", str(tmp_path / "bundle"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["choice"]["chosen"] == "int8" and not told["choice"]["timed"]
    assert [row["latency_ms"] for row in told["precisions"]] == [None, None]
    opened = open_bundle(tmp_path / "bundle")
    assert [engine.precision for engine in opened.manifest.image_engines] == ["int8"]
    assert opened.manifest.engine("image").files[0].path == "image.onnx"
    assert read_provenance(opened).choice is not None
