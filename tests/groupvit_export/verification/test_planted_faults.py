"""A verification that cannot fail proves nothing: faults of every kind, each with the place it must name."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from bad_bundles import edit_manifest
from captures import Captures
from planted import GRAPH_FAULTS, MANIFEST_FAULTS, matrices, perturb, plant
from verifying import demo_subject, engine_backend, examine_backends

from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.passes import PASSES, apply_passes
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.verification.api import VerifyOptions, verify_bundle
from groupvit_export.verification.bisect import bisect
from groupvit_export.verification.cases import synthetic_cases
from groupvit_export.verification.detail_words import detail_words
from groupvit_export.verification.words import finding_words
from groupvit_runtime.contract import IMAGE_INPUT


@pytest.mark.parametrize("fault", GRAPH_FAULTS)
def test_a_fault_in_the_graph_fails_in_its_place(
    demo_bundles: Mapping[str, Path], tmp_path: Path, fault: str
) -> None:
    change, row = GRAPH_FAULTS[fault]
    bundle = plant(demo_bundles["onnx"], tmp_path / "bundle", change)
    report = examine_backends(demo_subject(), engine_backend(bundle, tmp_path / "cut"))
    assert report.verdict == "FAIL"
    (finding,) = report.findings
    assert finding.row.slug == row, finding_words(finding)
    assert finding.cell.place is not None and finding.cell.place.index


# A comparison of two whole bundles each: those that resemble another one by `make test-slow`.
_RESEMBLES = {"the wrong std", "another stride", "the wrong mean", "another logit scale"}


@pytest.mark.parametrize(
    "fault",
    [pytest.param(it, marks=[pytest.mark.slow] if it in _RESEMBLES else []) for it in MANIFEST_FAULTS],
)
def test_a_fault_in_the_manifest_fails_in_its_place(
    demo_bundles: Mapping[str, Path], tmp_path: Path, scenes, fault: str
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(scenes.image(0), images)
    bundle = Path(shutil.copytree(demo_bundles["onnx"], tmp_path / "bundle"))
    change, row = MANIFEST_FAULTS[fault]
    edit_manifest(bundle, change)
    report = verify_bundle(bundle, VerifyOptions(images=images, limit=1)).report
    (finding,) = report.findings
    assert (report.verdict, finding.column, finding.row.slug) == ("FAIL", "onnx fp32", row)
    assert "expected" in detail_words(finding.cell.detail)
    for column in ("encoder fp64", "torch fp32"):
        assert report.column_verdict(column) == "PASS"


@pytest.mark.slow
def test_positions_interpolated_in_another_mode(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    genuine = torch.nn.functional.interpolate

    def bilinear(x: torch.Tensor, **options: object) -> torch.Tensor:
        if options.get("mode") == "bicubic":
            options["mode"] = "bilinear"
        return genuine(x, **options)

    size = (160, 160)
    with monkeypatch.context() as patch:
        patch.setattr("groupvit_export.model.vision.F.interpolate", bilinear)
        path = export_bundle(
            ExportOptions(target="onnx", precision="fp32", image_size=size, output=tmp_path / "bundle")
        ).path
    report = examine_backends(demo_subject(size), engine_backend(path, tmp_path / "cut"))
    (finding,) = report.findings
    assert (report.verdict, finding.row.slug) == ("FAIL", "stage_1_logits")


@pytest.fixture(scope="module")
def clean(of_all_workers: Path) -> onnx.ModelProto:
    subject = demo_subject()
    encoder = ImageEncoder(subject.model, subject.image_size)
    apply_passes(encoder, tuple(PASSES))
    return Captures(of_all_workers).image(encoder)


@pytest.fixture(scope="module")
def feeds() -> Mapping[str, np.ndarray]:
    subject = demo_subject()
    return {IMAGE_INPUT: synthetic_cases(subject.image_size, subject.contracts.hf)[0].value}


@pytest.mark.parametrize("which", [0, 20, -1])
def test_bisecting_names_the_node_whose_weight_was_changed(
    demo_bundles: Mapping[str, Path],
    tmp_path: Path,
    clean: onnx.ModelProto,
    feeds: Mapping[str, np.ndarray],
    which: int,
) -> None:
    weight = matrices(onnx.load(demo_bundles["onnx"] / "image.onnx"))[which]
    bundle = plant(demo_bundles["onnx"], tmp_path / "bundle", perturb(weight))
    divergence = bisect(clean, "onnx", bundle / "image.onnx", feeds)
    assert divergence is not None and weight in divergence.inputs, str(divergence)


def test_bisecting_names_the_argmax(
    demo_bundles: Mapping[str, Path], tmp_path: Path, clean: onnx.ModelProto, feeds: Mapping[str, np.ndarray]
) -> None:
    change, _ = GRAPH_FAULTS["argmax over the wrong axis"]
    bundle = plant(demo_bundles["onnx"], tmp_path / "bundle", change)
    divergence = bisect(clean, "onnx", bundle / "image.onnx", feeds)
    assert divergence is not None and divergence.operator == "ArgMax", str(divergence)


def test_bisecting_sound_engines_finds_nothing(
    demo_bundle: Path, clean: onnx.ModelProto, feeds: Mapping[str, np.ndarray]
) -> None:
    target = demo_bundle.name
    file = {"onnx": "image.onnx", "openvino": "image.xml"}[target]
    assert bisect(clean, target, demo_bundle / file, feeds) is None


def test_bisecting_an_openvino_file(
    demo_bundles: Mapping[str, Path], tmp_path: Path, clean: onnx.ModelProto, feeds: Mapping[str, np.ndarray]
) -> None:
    """One weight of the .bin, 1 % larger: the format has no names for weights, the values around it do."""
    import openvino as ov

    model = ov.Core().read_model(demo_bundles["openvino"] / "image.xml")
    weights = [op for op in model.get_ops() if op.get_type_name() == "Constant" and len(op.shape) == 2]
    constant = next(op for op in weights[5:] if min(op.shape) >= 64)
    larger = ov.opset13.constant(constant.data * np.float32(1.01))
    for target in constant.output(0).get_target_inputs():
        target.replace_source_output(larger.output(0))
        changed = target.get_node().output(0).get_names()
    ov.save_model(model, tmp_path / "image.xml", compress_to_fp16=False)
    divergence = bisect(clean, "openvino", tmp_path / "image.xml", feeds)
    assert divergence is not None and divergence.value in changed, (str(divergence), changed)
