"""Half precision in ONNX Runtime and OpenVINO: what runs, what is refused, and what stays in float32."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import openvino as ov
import pytest
from bf16 import has_bf16, marked
from planted import in_half

import groupvit_runtime.engines.openvino as openvino_engine
from groupvit_export.errors import ExportError, UsageError
from groupvit_export.graph.grouping_attention_function import inlined
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.targets.openvino.engine import check_bf16, deciding_layers, layer_precisions
from groupvit_export.targets.registry import check_target
from groupvit_runtime import Segmenter
from groupvit_runtime.engines import EngineOptions
from groupvit_runtime.errors import EngineError
from groupvit_runtime.manifest import read_manifest

STAGES = 2


@pytest.fixture(scope="module")
def graph(demo_bundles: Mapping[str, Path]) -> onnx.ModelProto:
    return onnx.load(demo_bundles["onnx"] / "image.onnx")


@pytest.mark.parametrize("target", ["onnx", "openvino", "torch"])
def test_a_precision_that_a_target_lacks_is_told_with_what_it_has(target: str) -> None:
    kind = {"onnx": "fp32, w16, fp16, bf16", "openvino": "fp32, bf16", "torch": "fp32"}[target]
    with pytest.raises(UsageError) as caught:
        check_target(target, "fp8")
    assert kind in str(caught.value)


@pytest.mark.skipif(not has_bf16(), reason="OpenVINO does not compute in bf16 on this CPU")
def test_openvino_decides_in_float32_and_computes_in_bf16(graph: onnx.ModelProto) -> None:
    model = marked(graph)
    check_bf16(model, STAGES)
    compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": ov.Type.bf16})
    precisions = list(layer_precisions(compiled).values())
    assert precisions.count("bf16") > 100
    with pytest.raises(ExportError, match="would not decide in float32") as caught:
        check_bf16(ov.Core().read_model(inlined(graph).SerializeToString()), STAGES)
    assert "products__1: bf16" in str(caught.value)


def test_counts_beyond_what_bf16_holds_have_to_be_float32() -> None:
    def model(tokens: int) -> ov.Model:
        soft = ov.opset13.parameter([-1, 8, tokens], np.float32)
        soft.output(0).set_names({"soft_map_1"})
        result = ov.opset13.result(soft)
        result.output(0).set_names({"soft_map_1"})
        return ov.Model([result], [soft])

    assert "grouping_1.count" in deciding_layers(model(257), 1)
    assert "grouping_1.count" not in deciding_layers(model(256), 1)


def answering_float32(*_: object, **__: object) -> SimpleNamespace:
    """An OpenVINO whose CPU has no bf16: it takes the hint and computes in float32."""
    compiled = SimpleNamespace(get_property=lambda name: ov.Type.f32)
    return SimpleNamespace(
        read_model=lambda *_: SimpleNamespace(inputs=[]),
        compile_model=lambda *_: compiled,
        get_property=lambda device, name: "Some CPU without AVX-512",
    )


def test_a_cpu_without_bf16_is_refused_by_the_export(
    monkeypatch: pytest.MonkeyPatch, graph: onnx.ModelProto
) -> None:
    model = marked(graph)
    monkeypatch.setattr(ov, "Core", answering_float32)
    with pytest.raises(EngineError, match="does not compute in bf16") as caught:
        check_bf16(model, STAGES)
    assert "f32 on Some CPU without AVX-512" in str(caught.value) and "AVX-512" in str(caught.value)


def test_a_cpu_without_bf16_is_refused_by_the_runtime(
    monkeypatch: pytest.MonkeyPatch, demo_bundles: Mapping[str, Path]
) -> None:
    monkeypatch.setattr(ov, "Core", answering_float32)
    info = replace(read_manifest(demo_bundles["openvino"]).engine("image"), precision="bf16")
    with pytest.raises(EngineError, match="another precision than was asked for") as caught:
        openvino_engine.OpenVINOEngine(info, demo_bundles["openvino"], EngineOptions())
    assert "Some CPU without AVX-512" in str(caught.value)


def test_onnxruntime_says_that_its_cpu_computes_fp16_in_float32(
    demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    bundle = in_half(demo_bundles["onnx"], tmp_path / "fp16", "fp16")
    assert (bundle / "image.onnx").stat().st_size < 0.6 * (demo_bundles["onnx"] / "image.onnx").stat().st_size
    half, full = Segmenter.load(bundle), Segmenter.load(demo_bundles["onnx"])
    assert half.engine_description.endswith("fp16 weights, computed in float32")
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), np.uint8)
    labels = [segmenter(image, ["sky", "grass", "water"]).labels for segmenter in (half, full)]
    assert (labels[0] == labels[1]).mean() > 0.99


def test_onnxruntime_refuses_bf16_on_a_cpu(demo_bundles: Mapping[str, Path], tmp_path: Path) -> None:
    bundle = in_half(demo_bundles["onnx"], tmp_path / "bf16", "bf16")
    with pytest.raises(EngineError, match="cannot compute in bf16 on a CPU") as caught:
        Segmenter.load(bundle)
    assert "device='cuda'" in str(caught.value) and "--target openvino --precision bf16" in str(caught.value)


@pytest.mark.slow
@pytest.mark.parametrize(("target", "precision"), [("onnx", "fp16"), ("onnx", "bf16"), ("openvino", "bf16")])
def test_an_export_is_verified_by_label_maps_and_stands_beside_float32(
    tmp_path: Path, target: str, precision: str
) -> None:
    if target == "openvino" and not has_bf16():
        pytest.skip("OpenVINO does not compute in bf16 on this CPU")
    options = ExportOptions(target=target, precision=precision, output=tmp_path / "bundle")
    provenance = export_bundle(options).provenance
    parity = provenance.parity
    assert parity.verdict == "PASS", parity
    rows = {row.name: row for row in parity.rows}
    assert rows["labels_hf_against_free_reference"].verdict == "PASS"
    assert (parity.substitute is not None) == (target == "onnx")
    fp32, half = provenance.precisions
    assert (fp32.precision, half.precision) == ("fp32", precision)
    assert fp32.verdict == half.verdict == "PASS"
    assert fp32.agreement == 100.0 and half.agreement is not None and 99 < half.agreement < 100
    assert fp32.miou is not None and half.miou is not None and abs(half.miou - fp32.miou) < 1 < 70 < fp32.miou
    assert all("19 images" in row.detail and "against masks" in row.detail for row in provenance.precisions)
    # What is not run here has no latency here, and says why.
    timed = parity.substitute is None
    assert all((row.latency_ms is not None) == timed for row in provenance.precisions)
    assert ("not timed" in half.detail) != timed and "not timed" not in fp32.detail
    assert ("computes fp16 in float32" in half.detail) == (precision == "fp16")
