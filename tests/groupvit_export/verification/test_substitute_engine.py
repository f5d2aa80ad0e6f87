"""Verifying an engine whose GPU is not here: what is run in its place, and that the report says so."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from bad_bundles import edit_manifest
from fake_gpu import FakeCuda
from made import provenance_of
from onnx import numpy_helper
from verifying import demo_subject, engine_backend, examine_backends

import groupvit_export.targets.tensorrt.target as tensorrt_target
import groupvit_export.verification.prepare as prepare
from groupvit_export.cli import main
from groupvit_export.verification.api import VerifyOptions, verify_bundle
from groupvit_export.verification.cases import edge_cases, image_cases, synthetic_cases
from groupvit_export.verification.synthetic_images import synthetic_images
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.engines.cuda import Cuda
from groupvit_runtime.errors import EngineError, UsageError
from groupvit_runtime.manifest import FileInfo


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same on a machine that has one."""
    monkeypatch.setattr(tensorrt_target, "open_cuda", lambda: Cuda(FakeCuda(driver=0)))


@pytest.mark.parametrize("precision", ["fp32", "fp16", pytest.param("bf16", marks=pytest.mark.slow)])
def test_the_provenance_says_that_the_engine_was_not_run(
    trt_bundles: Mapping[str, Path], precision: str
) -> None:
    parity = provenance_of(trt_bundles[precision]).parity
    assert parity.substitute is not None
    assert "engine itself was not run" in parity.substitute
    assert (f"rounded as {precision}" in parity.substitute) == (precision != "fp32")
    rows = {row.name: row for row in parity.rows}
    for name in ("network_layer_norms", "network_casts", "network_decisions"):
        assert (rows[name].verdict, rows[name].value) == ("PASS", 0)
    for stage in (1, 2):
        assert rows[f"stage_{stage}_safe_flips"].value == 0
        assert rows[f"grouping_{stage}_alone_decisions"].value == 0
    assert {row.name for row in parity.rows if row.verdict not in (None, "PASS")} == set()
    # Below float32 label maps decide, and whether tokens are at risk only informs.
    decided = {name for name in rows if name.endswith("_against_free_reference")}
    assert len(decided) == (0 if precision == "fp32" else 1)
    assert all(rows[name].verdict == "PASS" for name in decided)
    assert (rows["stage_1_tokens_at_risk"].verdict is None) == (precision != "fp32")


@pytest.mark.parametrize("precision", ["fp16", pytest.param("bf16", marks=pytest.mark.slow)])
def test_precisions_stand_side_by_side_without_a_latency(
    trt_bundles: Mapping[str, Path], precision: str
) -> None:
    fp32, half = provenance_of(trt_bundles[precision]).precisions
    assert (fp32.precision, half.precision) == ("fp32", precision)
    assert fp32.verdict == half.verdict == "PASS"
    assert fp32.latency_ms is half.latency_ms is None
    assert fp32.agreement == 100.0 and half.agreement is not None and 99 < half.agreement < 100
    for row in (fp32, half):
        assert (
            f"{row.precision}: the trt engine itself was not run" in row.detail and "not timed" in row.detail
        )


@pytest.mark.slow
def test_half_precision_is_really_rounded(trt_bundles: Mapping[str, Path]) -> None:
    errors = {
        precision: {row.name: row.value for row in provenance_of(bundle).parity.rows}["masks"]
        for precision, bundle in trt_bundles.items()
    }
    assert 10 * errors["fp32"] < errors["fp16"] and 2 * errors["fp16"] < errors["bf16"]


@pytest.mark.slow
def test_verify_says_it_too(
    trt_bundles: Mapping[str, Path], scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(scenes.image(0), images)
    page = tmp_path / "report.html"
    arguments = ["verify", str(trt_bundles["fp32"]), "--images", str(images), "--html", str(page)]
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert "the trt engine itself was not run: there is no NVIDIA driver" in said
    assert "trt fp32 (stand-in)" in said and "network: decisions" in said
    assert "engine itself was not run" in page.read_text()
    assert main([*arguments, "--json"]) == 0
    columns = json.loads(capsys.readouterr().out)["report"]["columns"]
    assert [bool(column["substitute"]) for column in columns] == [False, False, True]


def test_a_device_that_is_asked_for_is_not_replaced(trt_bundles: Mapping[str, Path], tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="no NVIDIA driver|has no device|no GPU"):
        engine_backend(trt_bundles["fp32"], tmp_path, options=EngineOptions(device="cuda"))


def test_engines_that_run_here_are_not_replaced(demo_bundle: Path, tmp_path: Path) -> None:
    assert engine_backend(demo_bundle, tmp_path).column.substitution is None


@pytest.mark.slow
def test_a_fault_in_the_graph_of_a_plan_is_found(trt_bundles: Mapping[str, Path], tmp_path: Path) -> None:
    bundle = Path(shutil.copytree(trt_bundles["fp32"], tmp_path / "bundle"))
    model = onnx.load(bundle / "image.onnx")
    tensor = next(t for t in model.graph.initializer if t.name.endswith("stages.0.layers.0.mlp.fc1.bias"))
    array = numpy_helper.to_array(tensor) * np.float32(1.01)
    tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    onnx.save_model(model, bundle / "image.onnx")
    info = FileInfo.of(bundle, "image.onnx")

    def record(manifest: dict) -> None:
        source = next(engine for engine in manifest["engines"] if engine["role"] == "image")["source"]
        source.update(sha256=info.sha256, bytes=info.bytes)

    edit_manifest(bundle, record)
    report = examine_backends(demo_subject(), engine_backend(bundle, tmp_path / "cut"))
    assert report.verdict == "FAIL" and report.findings[0].row.slug == "stage_1_logits"


def test_a_bisection_says_at_once_that_a_plan_cannot_be_marked(
    trt_bundles: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prepare, "build_model", lambda checkpoint: pytest.fail("work was begun"))
    with pytest.raises(UsageError, match=r"cannot be marked: a plan(.|\n)*--target onnx"):
        verify_bundle(trt_bundles["fp32"], find_divergence=True)


@pytest.mark.parametrize("target", ["trt", "torch"])
def test_nor_can_further_targets(
    demo_bundles: Mapping[str, Path], monkeypatch: pytest.MonkeyPatch, target: str
) -> None:
    monkeypatch.setattr(prepare, "build_model", lambda checkpoint: pytest.fail("work was begun"))
    with pytest.raises(UsageError, match=f"target {target} cannot be marked"):
        verify_bundle(demo_bundles["onnx"], VerifyOptions(targets=(target,)), find_divergence=True)


@pytest.mark.parametrize("limit", [1, 2, 3, 100, None])
def test_no_batch_is_larger_than_the_engine_takes(limit: int | None) -> None:
    subject = demo_subject()
    size, spec = subject.image_size, subject.contracts.hf
    images = {str(i): rgb for i, rgb in enumerate(synthetic_images(0, 11, size))}
    for cases, count in (
        (image_cases(images, size, spec, max_batch=limit), 11),
        (synthetic_cases(size, spec, limit), 16),
        (edge_cases(size, spec, limit), 5),
    ):
        sizes = [len(case.value) for case in cases]
        assert sum(sizes) == count and max(sizes) <= (limit or 100)
