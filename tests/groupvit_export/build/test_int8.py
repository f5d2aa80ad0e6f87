"""An export in int8: what is in the bundle, what is given back, and what is refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from made import provenance_of, quantization_of
from PIL import Image

from groupvit_export.cli import main
from groupvit_export.data.images import read_images
from groupvit_export.graph.grouping_attention_function import inlined
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.metrics.judge import agreement
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.quantization.options import QuantizationOptions
from groupvit_export.quantization.saturation import layers_at_risk
from groupvit_export.quantization.sensitivity import run_unoptimized
from groupvit_export.verification.int8_criteria import MIOU, PIXELS
from groupvit_export.verification.words import row_title
from groupvit_runtime import Segmenter
from groupvit_runtime.contract import IMAGE_INPUT
from groupvit_runtime.instruction_sets import byte_products
from groupvit_runtime.manifest import Manifest, read_manifest
from groupvit_runtime.preprocess import prepare_whole
from groupvit_runtime.processor import processor_flags

pytest.importorskip("nncf")

BUDGET = LabelBudget(max_miou_drop=2.0, min_agreement=99.8)
"""Tighter than usual: with all layers in int8 it does not hold."""


@pytest.fixture(scope="session")
def int8_bundle(tmp_path_factory: pytest.TempPathFactory, few_scenes: Path) -> Path:
    output = tmp_path_factory.mktemp("int8") / "onnx"
    options = ExportOptions(
        target="onnx",
        precision="int8",
        output=output,
        quantization=QuantizationOptions(calibration=few_scenes, budget=BUDGET),
    )
    return export_bundle(options).path


@pytest.fixture
def manifest(int8_bundle: Path) -> Manifest:
    return read_manifest(int8_bundle)


def test_every_layer_is_in_the_table(int8_bundle: Path) -> None:
    info = quantization_of(int8_bundle)
    made_with = info.calibration
    assert (made_with.source, made_with.has_masks) == ("folder", True) and "NNCF" in info.method
    assert made_with.images == made_with.held_out == 4
    assert made_with.folder is not None and read_images(Path(made_with.folder)).found == 8
    assert info.budget == BUDGET.limits
    assert all(layer.sensitivity is not None for layer in info.layers)
    assert len({layer.name for layer in info.layers}) == len(info.layers) > 40


def test_the_most_sensitive_are_given_back(int8_bundle: Path) -> None:
    info = quantization_of(int8_bundle)
    back = [layer.sensitivity or 0.0 for layer in info.layers if not layer.quantized]
    kept = [layer.sensitivity or 0.0 for layer in info.layers if layer.quantized]
    assert back and kept
    assert min(back) >= max(kept)


def test_the_grouping_attention_and_the_words_stay_in_float32(int8_bundle: Path, manifest: Manifest) -> None:
    image = provenance_of(int8_bundle).engine("image")
    kept = {node: item.reason for item in image.kept for node in item.nodes}
    assert kept["grouping_1"] == kept["grouping_2"] == "decides the assignment"
    assert not kept.keys() & {layer.name for layer in quantization_of(int8_bundle).layers}
    assert manifest.engine("image").precision == "int8"
    text = manifest.engine("text")
    assert text.precision == "fp32" and text.quantization is None


def test_the_verdict_is_that_of_decisions_and_label_maps(int8_bundle: Path) -> None:
    parity = provenance_of(int8_bundle).parity
    assert parity.verdict == "PASS"
    rows = {row.name: row for row in parity.rows}
    assert rows[PIXELS.slug].budget == pytest.approx(0.002) and rows[MIOU.slug].budget == pytest.approx(0.02)
    assert rows["stage_1_self_consistency"].verdict == "PASS"
    assert rows["grouping_1_alone_decisions"].verdict == "PASS"
    assert rows["text_embeds"].verdict == "PASS"
    for informing in ("stage_1_logits", "masks", "batch_against_single"):
        assert rows[informing].verdict is None and rows[informing].budget is None


def test_the_precisions_stand_side_by_side(int8_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fp32, int8 = provenance_of(int8_bundle).precisions
    assert (fp32.precision, int8.precision) == ("fp32", "int8")
    assert fp32.verdict == int8.verdict == "PASS"
    assert fp32.agreement == 100.0 and fp32.miou is not None and fp32.miou > 70
    assert int8.agreement is not None and BUDGET.min_agreement <= int8.agreement < 100
    assert int8.miou is not None and abs(int8.miou - fp32.miou) < BUDGET.max_miou_drop
    assert fp32.latency_ms is not None and int8.latency_ms is not None
    assert main(["inspect", str(int8_bundle)]) == 0
    printed = capsys.readouterr().out
    assert f"{int8.agreement:.2f} %" in printed
    assert "given back" in printed and "sensitivity" in printed


def test_label_maps_of_the_runtime_are_close_to_those_of_fp32(
    int8_bundle: Path, demo_bundles: Mapping[str, Path], few_scenes: Path
) -> None:
    images = read_images(few_scenes)
    assert images.classes is not None
    _, held_out = images.halves()
    maps = []
    for bundle in (int8_bundle, demo_bundles["onnx"]):
        segmenter = Segmenter.load(bundle)
        maps.append({n: segmenter(rgb, list(images.classes)).labels for n, rgb in held_out.images.items()})
    recorded = provenance_of(int8_bundle).precisions[1].agreement
    assert agreement(*maps) == pytest.approx(recorded, abs=0.02)


def test_onnxruntime_multiplies_bytes(int8_bundle: Path, tmp_path: Path) -> None:
    """A quantized layer that is not recognized would multiply floats, slower than without."""
    options = ort.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    ort.InferenceSession(int8_bundle / "image.onnx", options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(tmp_path / "optimized.onnx").graph.node
    fused = ("MatMulIntegerToFloat", "QLinearMatMul", "QGemm", "QLinearConv")
    found = sum(node.op_type in fused for node in nodes)
    assert found >= 0.9 * quantization_of(int8_bundle).quantized


def test_no_sum_of_two_products_can_saturate(int8_bundle: Path, manifest: Manifest) -> None:
    """The bound is on the weights in the file, and holds on every processor."""
    assert layers_at_risk(onnx.load(int8_bundle / "image.onnx")) == {}
    info, here = manifest.engine("image").quantization, byte_products(processor_flags())
    assert info is not None and info.never_saturates and "7 bits" in quantization_of(int8_bundle).method
    assert info.instruction_set == (None if here is None else here.flag)


_WITHOUT_VNNI = """
import sys
import numpy as np, openvino as ov
model, inputs, outputs = sys.argv[1:]
compiled = ov.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
results = [compiled(pixel_values[None]) for pixel_values in np.load(inputs)]
names = ("soft_map_1", "assignment_1", "assignment_2")
np.savez(outputs, **{name: np.concatenate([result[name] for result in results]) for name in names})
"""


@pytest.mark.parametrize("instruction_set", ["AVX2", "AVX512_CORE"])
def test_openvino_without_vnni_computes_what_is_in_the_file(
    int8_bundle: Path, manifest: Manifest, few_scenes: Path, tmp_path: Path, instruction_set: str
) -> None:
    """Against float32 products of the same bytes; rounding moves some activations to the next byte."""
    model = onnx.load(int8_bundle / "image.onnx")
    images = list(read_images(few_scenes).images.values())[:4]
    pixel_values = np.stack(
        [prepare_whole(rgb, manifest.model.image_size, manifest.preprocessing.hf) for rgb in images]
    )
    exact = run_unoptimized(model, lambda values: {IMAGE_INPUT: values})(pixel_values)
    onnx.save_model(inlined(model), tmp_path / "image.onnx")
    np.save(tmp_path / "inputs.npy", pixel_values)
    arguments = [str(tmp_path / name) for name in ("image.onnx", "inputs.npy", "outputs.npz")]
    environment = {**os.environ, "ONEDNN_MAX_CPU_ISA": instruction_set}
    subprocess.run([sys.executable, "-c", _WITHOUT_VNNI, *arguments], check=True, env=environment)
    with np.load(tmp_path / "outputs.npz") as found:
        agreement = {
            stage: float(np.mean(found[f"assignment_{stage}"] == exact[f"assignment_{stage}"]))
            for stage in (1, 2)
        }
        difference = float(np.abs(found["soft_map_1"] - exact["soft_map_1"]).mean())
    assert difference < 5e-4 and agreement[1] > 0.95 and agreement[2] > 0.98, (difference, agreement)


def _export(*arguments: str, output: Path) -> int:
    return main(["export", "--target", "onnx", "--quiet", "-o", str(output), *arguments])


@pytest.mark.parametrize("kind", ["missing", "empty", "damaged", "one"])
def test_images_that_cannot_be_used_are_refused_at_once(
    tmp_path: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "images"
    if kind != "missing":
        folder.mkdir()
    if kind == "damaged":
        (folder / "a.jpg").write_bytes(b"not an image")
    if kind == "one":
        Image.new("RGB", (32, 32)).save(folder / "a.png")
    output = tmp_path / "bundle"
    code = _export("--precision", "int8", "--calibration", str(folder), output=output)
    assert code == (2 if kind == "one" else 1)
    assert str(folder) in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} <= {"images"}


@pytest.mark.parametrize(
    "arguments",
    [
        ["--min-agreement", "99"],
        ["--allow-saturation"],
        ["--precision", "int8", "--min-agreement", "101"],
        ["--precision", "int8", "--max-miou-drop", "-1"],
    ],
)
def test_options_that_mean_nothing_are_refused(tmp_path: Path, arguments: list[str]) -> None:
    assert _export(*arguments, output=tmp_path / "bundle") == 2
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_what_may_saturate_is_quantized_where_it_is_allowed(tmp_path: Path, few_scenes: Path) -> None:
    options = ExportOptions(
        target="openvino",
        precision="int8",
        output=tmp_path / "bundle",
        quantization=QuantizationOptions(
            calibration=few_scenes,
            budget=LabelBudget(max_miou_drop=100.0, min_agreement=0.0),
            saturation_safe=False,
        ),
    )
    bundle = export_bundle(options).path
    image = provenance_of(bundle).engine("image")
    assert not any("two activations" in item.reason for item in image.kept)
    assert "weights in int8 per channel" in quantization_of(bundle).method
    info = read_manifest(bundle).engine("image").quantization
    assert info is not None and not info.never_saturates


@pytest.mark.slow
@pytest.mark.slow
def test_a_budget_that_cannot_be_met_leaves_nothing_behind(
    tmp_path: Path, few_scenes: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(LabelBudget, "holds", lambda self, found, fp32: False)
    code = _export("--precision", "int8", "--calibration", str(few_scenes), output=tmp_path / "bundle")
    assert code == 3
    assert "no layer can be computed in int8" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.slow
def test_the_same_bytes_twice(int8_bundle: Path, few_scenes: Path, tmp_path: Path) -> None:
    options = ExportOptions(
        target="onnx",
        precision="int8",
        output=tmp_path / "again",
        quantization=QuantizationOptions(calibration=few_scenes, budget=BUDGET),
    )
    again = export_bundle(options)
    before = read_manifest(int8_bundle)
    assert replace(again.manifest, name=before.name) == before
    assert again.provenance.engines == provenance_of(int8_bundle).engines


@pytest.mark.slow
@pytest.mark.slow
def test_openvino_computes_in_int8(tmp_path: Path, few_scenes: Path) -> None:
    import openvino as ov

    options = ExportOptions(
        target="openvino",
        precision="int8",
        output=tmp_path / "openvino",
        quantization=QuantizationOptions(calibration=few_scenes, budget=LabelBudget(5.0, 98.0)),
    )
    bundle = export_bundle(options)
    compiled = ov.Core().compile_model(bundle.path / "image.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    facts = [op.get_rt_info() for op in compiled.get_runtime_model().get_ops()]
    kinds = [tuple(fact[key].astype(str) for key in ("layerType", "runtimePrecision")) for fact in facts]
    # The attention's first product is inside a subgraph.
    computing = ("FullyConnected", "Convolution", "MatMul", "Subgraph")
    found = sum(kind in computing and precision in ("i8", "u8") for kind, precision in kinds)
    assert found >= 0.9 * quantization_of(bundle.path).quantized
    rgb = np.asarray(Image.open(few_scenes / "images" / "scene-00.jpg"))
    assert "int8" in Segmenter.load(bundle.path).engine_description
    assert Segmenter.load(bundle.path)(rgb, ["sky", "house"]).labels.shape == rgb.shape[:2]


@pytest.mark.slow
@pytest.mark.slow
def test_verify_gives_the_same_verdict(
    int8_bundle: Path, few_scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in sorted((few_scenes / "images").iterdir())[1::2]:
        shutil.copy(path, tmp_path)
    # The words that the budget was judged with: how many pixels change depends on them.
    words = ",".join((few_scenes / "classes.txt").read_text().split())
    assert main(["verify", str(int8_bundle), "--images", str(tmp_path), "--labels", words]) == 0
    printed = capsys.readouterr().out
    assert row_title(PIXELS) in printed and "PASS" in printed


@pytest.mark.slow
@pytest.mark.slow
def test_another_target_is_verified_on_the_images_that_are_asked_for(
    int8_bundle: Path, few_scenes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--images", str(few_scenes), "--limit", "3", "--targets", "openvino", "--json"]
    main(["verify", str(int8_bundle), *arguments])
    report = json.loads(capsys.readouterr().out)["report"]
    (row,) = (row for row in report["rows"] if row["name"] == PIXELS.slug)
    assert set(row["cells"]) == {"onnx int8", "openvino int8, built here"}
    assert all("3 images (3 of 8 of calibration" in cell["detail"] for cell in row["cells"].values())


@pytest.mark.slow
def test_nncf_is_imported_by_nobody_who_does_not_quantize() -> None:
    program = (
        "import sys, groupvit_export.pipeline.api, groupvit_export.verification.api, groupvit_export.cli; "
        "sys.exit('nncf' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.mark.slow
def test_importing_nncf_makes_no_sender_of_statistics(tmp_path: Path) -> None:
    program = (
        "from groupvit_export.quantization.calibrate import _import; _import(); "
        "from nncf.telemetry.wrapper import telemetry, NNCFTelemetryStub; "
        "assert isinstance(telemetry, NNCFTelemetryStub)"
    )
    # A fresh home: there must be no client id in it either.
    environment = {"PATH": "/usr/bin", "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)
    assert not (tmp_path / "intel").exists()
