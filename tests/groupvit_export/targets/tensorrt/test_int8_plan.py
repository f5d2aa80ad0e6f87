"""int8 in a plan: what the parser kept of it, what was tried in its place, and what the bundle says."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from fake_gpu import FakeCuda
from made import provenance_of, quantization_of
from onnx import numpy_helper

import groupvit_export.targets.tensorrt.target as tensorrt_target
from groupvit_export.cli import main
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.quantization.options import QuantizationOptions
from groupvit_export.targets.inspection import NetworkFacts
from groupvit_export.targets.tensorrt.network import network_facts, parse
from groupvit_export.targets.tensorrt.options import TrtOptions
from groupvit_export.verification.checks.network import cells_of
from groupvit_export.verification.int8_criteria import MIOU, PIXELS
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_export.verification.words import row_title
from groupvit_runtime.engines.cuda import Cuda
from groupvit_runtime.engines.tensorrt_flavors import logger_of
from groupvit_runtime.manifest import Manifest, read_manifest

pytest.importorskip("nncf")
trt = pytest.importorskip(
    "tensorrt_rtx", reason="TensorRT-RTX is not installed; it is not made for this system"
)

# The export alone takes minutes: every layer is tried in place of an engine that cannot run here.
pytestmark = pytest.mark.slow

BUDGET = LabelBudget(max_miou_drop=2.0, min_agreement=98.0)


@pytest.fixture(scope="module")
def int8_plan(tmp_path_factory: pytest.TempPathFactory, few_scenes: Path) -> Path:
    with pytest.MonkeyPatch.context() as patch:
        # The same on a machine that has a GPU.
        patch.setattr(tensorrt_target, "open_cuda", lambda: Cuda(FakeCuda(driver=0)))
        options = ExportOptions(
            target="trt",
            precision="int8",
            output=tmp_path_factory.mktemp("int8-plan") / "bundle",
            target_options=TrtOptions(flavor="rtx"),
            quantization=QuantizationOptions(calibration=few_scenes, budget=BUDGET),
        )
        return export_bundle(options).path


@pytest.fixture
def manifest(int8_plan: Path) -> Manifest:
    return read_manifest(int8_plan)


@pytest.fixture(scope="module")
def graph(int8_plan: Path) -> onnx.ModelProto:
    return onnx.load(int8_plan / "image.onnx")


def facts_of(model: onnx.ModelProto) -> NetworkFacts:
    parsed = parse(trt, logger_of(trt), model)
    return network_facts(trt, parsed.network, 2)


def test_every_range_is_signed_with_zero_in_the_middle(graph: onnx.ModelProto) -> None:
    weights = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.graph.initializer}
    zeros = [
        weights[node.input[2]]
        for node in graph.graph.node
        if node.op_type in ("QuantizeLinear", "DequantizeLinear")
    ]
    assert len(zeros) > 100
    assert all(zero.dtype == np.int8 and not zero.any() for zero in zeros)
    assert not [name for name, value in weights.items() if value.dtype == np.int32]


def test_the_parser_multiplies_bytes_wherever_a_layer_is_quantized(
    int8_plan: Path, graph: onnx.ModelProto
) -> None:
    facts = facts_of(graph)
    assert facts.byte_products == quantization_of(int8_plan).quantized > 40
    assert not facts.wrong_decisions and "UINT8" not in facts.dtypes
    # The grouping attention is still a node of its own, which a plugin may take.
    assert sum(node.op_type == "GroupingAttention" for node in graph.graph.node) == 2


def test_a_product_that_is_no_longer_quantized_is_found(int8_plan: Path, graph: onnx.ModelProto) -> None:
    changed = onnx.ModelProto()
    changed.CopyFrom(graph)
    makers = {name: node for node in graph.graph.node for name in node.output}
    node = next(
        node
        for node in changed.graph.node
        if node.op_type == "MatMul"
        and (maker := makers.get(node.input[0])) is not None
        and maker.op_type == "DequantizeLinear"
    )
    node.input[0] = makers[makers[node.input[0]].input[0]].input[0]
    facts, expected = facts_of(changed), quantization_of(int8_plan).quantized
    cell = cells_of({"image": facts}, facts.normalizations, expected)[RowKey(RowKind.NETWORK_INT8_PRODUCTS)]
    assert (cell.verdict, cell.value) == ("FAIL", 1)


def test_the_bundle_says_what_was_not_run_and_times_nothing(int8_plan: Path) -> None:
    provenance = provenance_of(int8_plan)
    parity, record = provenance.parity, quantization_of(int8_plan)
    assert parity.verdict == "PASS"
    assert parity.substitute is not None and "engine itself was not run" in parity.substitute
    rows = {row.name: row for row in parity.rows}
    assert rows["network_int8_products"].verdict == "PASS"
    assert rows[PIXELS.slug].verdict == rows[MIOU.slug].verdict == "PASS"
    assert "symmetric and signed" in record.method and "tried on a stand-in" in record.method
    assert all(row.latency_ms is None and "was not run" in row.detail for row in provenance.precisions)
    fp32, int8 = provenance.precisions
    assert fp32.agreement == 100 and int8.agreement is not None and 98 <= int8.agreement < 100
    assert int8.miou is not None and math.isfinite(int8.miou)


def test_the_plan_is_one_of_tensorrt_and_smaller_than_that_of_float32(
    int8_plan: Path, manifest: Manifest, trt_bundles: Mapping[str, Path]
) -> None:
    engine, text = manifest.engine("image"), manifest.engine("text")
    assert (engine.precision, text.precision) == ("int8", "fp32")
    assert engine.target == text.target == "trt" and engine.tensorrt is not None
    assert {path.name for path in int8_plan.iterdir()} == {
        *("image.engine", "image.onnx", "text.engine", "text.onnx", "tokenizer.json"),
        *("manifest.json", "provenance.json"),
    }
    plan, whole = (path / "image.engine" for path in (int8_plan, trt_bundles["fp32"]))
    assert plan.read_bytes()[:4] == b"vtrt"
    assert plan.stat().st_size < 0.85 * whole.stat().st_size
    assert "--precision int8 --calibration" in engine.tensorrt.rebuild
    assert "--max-miou-drop 2 --min-agreement 98" in engine.tensorrt.rebuild


def test_verify_judges_it_on_the_stand_in(
    int8_plan: Path,
    few_scenes: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(tensorrt_target, "open_cuda", lambda: Cuda(FakeCuda(driver=0)))
    assert main(["verify", str(int8_plan), "--images", str(few_scenes / "images")]) == 0
    said = capsys.readouterr().out
    assert "trt int8 (stand-in)" in said and "network: int8 products" in said and row_title(PIXELS) in said
