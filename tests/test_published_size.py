"""Every target and precision at the published size: 384 channels, 64 and 8 groups, 77 tokens of 49,408.

Weights are random, and such that several classes share a label map: with plain random weights one class takes
the whole image, and any two engines agree on that. The fast tests have one layer a stage; nothing else is
smaller.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from bf16 import has_bf16, missing_layers

from benchmarks.checkpoint import VOC, shallow
from benchmarks.peers.material import SIZE
from benchmarks.peers.prepare import images_for_statistics, write_image
from benchmarks.peers.synthetic_checkpoint import write_telling_checkpoint
from groupvit_export.data.bundled import DEMO_SAMPLE
from groupvit_export.errors import ExportError
from groupvit_export.graph.capture import capture_image_encoder
from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.passes import PASSES, apply_passes
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.model import GroupViTModel
from groupvit_export.model.config import GroupViTConfig
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.pipeline.candidates import PrecisionRequest, plan_precisions
from groupvit_export.provenance import Provenance
from groupvit_export.quantization.options import QuantizationOptions
from groupvit_export.targets.registry import TARGETS
from groupvit_export.targets.tensorrt.options import TrtOptions
from groupvit_export.verification.api import VerifyOptions, verify_bundle
from groupvit_runtime import Segmenter
from groupvit_runtime.manifest import Manifest
from groupvit_runtime.processor import processor_flags

SHALLOW_INT8 = LabelBudget(max_miou_drop=100.0, min_agreement=85.0)
FULL_INT8 = LabelBudget(max_miou_drop=100.0, min_agreement=70.0)
"""Random weights amplify the rounding of int8, the more the deeper they are.

With all layers in int8 OpenVINO kept the class of 97 % of the pixels with one layer a stage, and of 87 % at
full depth. The usual budget of 99 % would give most layers back, and then it is not int8 that is tested. Mean
IoU decides nothing: without masks a class of a few pixels weighs as much as any other.
"""


@dataclass(frozen=True)
class Stages:
    """Groups of a model that is published otherwise: tokens in and groups out of every stage."""

    num_group_tokens: tuple[int, ...]
    num_output_groups: tuple[int, ...]

    @property
    def config(self) -> GroupViTConfig:
        return shallow(self.num_group_tokens, self.num_output_groups)


STAGES: Mapping[str, Stages] = {
    "one": Stages((64,), (8,)),
    "two": Stages((64, 8, 0), (64, 8, 8)),
    "three": Stages((64, 16, 8, 0), (64, 16, 8, 8)),
}
"""By the number of grouping blocks; the first ends with one, as the paper's model of one stage does."""

SHAPES = {"square": (224, 224), "large": (448, 448), "wide": (224, 448), "tall": (448, 224)}


def write_checkpoint(folder: Path, config: GroupViTConfig | None) -> Path:
    image = write_image(folder / "image.jpg", SIZE)
    return write_telling_checkpoint(folder / "checkpoint", images_for_statistics(image), config)


@pytest.fixture(scope="module")
def full_size(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("full"), None)


@pytest.fixture(scope="module")
def one_layer_a_stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("shallow"), shallow())


def skip_what_cannot_be_exported_here(target: str, precision: str) -> None:
    if (target, precision) == ("openvino", "bf16") and not has_bf16():
        pytest.skip("OpenVINO does not compute in bf16 on this CPU; its graph is checked by another test")
    if target == "trt":
        pytest.importorskip("tensorrt_rtx")
    if target == "litert":
        pytest.importorskip("litert_torch")
    elif precision == "int8":
        pytest.importorskip("nncf")


def export_verified(checkpoint: Path, folder: Path, target: str, precision: str, budget: LabelBudget) -> None:
    """Export, and look at what is recorded: the verdict, what was run, and that something was told apart."""
    options = ExportOptions(
        target=target,
        precision=precision,
        checkpoint=str(checkpoint),
        output=folder / "bundle",
        quantization=QuantizationOptions(budget=budget),
        target_options=TrtOptions(flavor="rtx") if target == "trt" else None,
    )
    result = export_bundle(options)
    manifest, provenance = result.manifest, result.provenance
    assert manifest.engine("image").precision == precision
    assert [len(item) for item in (manifest.model.groups, manifest.engine("image").outputs)] == [2, 7]
    check_verdict(manifest, provenance)
    if target in ("openvino", "litert") or (target == "onnx" and precision in ("fp32", "int8")):
        assert provenance.parity.substitute is None
        labels = Segmenter.load(result.path)(DEMO_SAMPLE, VOC).labels
        assert len(np.unique(labels)) > 1
    if precision != "fp32":
        check_precisions(provenance, budget)


def check_verdict(manifest: Manifest, provenance: Provenance) -> None:
    assert manifest.verdict == provenance.parity.verdict == "PASS", provenance.parity
    rows = {row.name: row for row in provenance.parity.rows}
    for stage in range(1, len(manifest.model.groups) + 1):
        assert rows[f"grouping_{stage}_alone_decisions"].verdict == "PASS"
        assert rows[f"stage_{stage}_self_consistency"].verdict == "PASS"
        if manifest.engine("image").precision != "int8":
            assert rows[f"stage_{stage}_safe_flips"].verdict == "PASS"


def check_precisions(provenance: Provenance, budget: LabelBudget) -> None:
    """A lower precision is seen in the label maps, and is close to float32's."""
    fp32, lower = provenance.precisions
    assert fp32.verdict == lower.verdict == "PASS" and fp32.agreement == 100
    assert lower.agreement is not None and budget.min_agreement <= lower.agreement < 100
    record = provenance.engine("image").quantization
    if record is not None:
        assert record.quantized == len(record.layers)


def captured(config: GroupViTConfig, size: tuple[int, int]) -> onnx.ModelProto:
    torch.manual_seed(0)
    encoder = ImageEncoder(GroupViTModel(config).eval(), size)
    apply_passes(encoder, tuple(PASSES))
    return capture_image_encoder(encoder)


@pytest.mark.slow
def test_bf16_for_openvino(one_layer_a_stage: Path, tmp_path: Path) -> None:
    """The export where the processor has bf16; elsewhere, where it is refused, the graph that it writes."""
    if has_bf16():
        export_verified(one_layer_a_stage, tmp_path, "openvino", "bf16", SHALLOW_INT8)
    else:
        assert missing_layers(captured(shallow(), SHAPES["square"])) == set()


@pytest.mark.slow
def test_int8(one_layer_a_stage: Path, tmp_path: Path) -> None:
    pytest.importorskip("nncf")
    export_verified(one_layer_a_stage, tmp_path, "onnx", "int8", SHALLOW_INT8)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "precision"), [(name, p) for name, kind in TARGETS.items() for p in kind.precisions]
)
def test_every_target_and_precision(full_size: Path, tmp_path: Path, target: str, precision: str) -> None:
    skip_what_cannot_be_exported_here(target, precision)
    export_verified(full_size, tmp_path, target, precision, FULL_INT8)


@pytest.mark.slow
def test_the_fastest_that_passes(full_size: Path, tmp_path: Path) -> None:
    """What is chosen depends on the processor and its load; that it is consistent does not."""
    skip_what_cannot_be_exported_here("openvino", "int8")
    if plan_precisions(PrecisionRequest("openvino", also=("fp32",)), processor_flags()).single:
        pytest.skip("this processor leaves one candidate, and nothing is chosen")
    result = export_bundle(
        ExportOptions(
            target="openvino",
            precision="auto",
            also=("fp32",),
            checkpoint=str(full_size),
            output=tmp_path / "bundle",
            quantization=QuantizationOptions(budget=FULL_INT8),
        )
    )
    choice, manifest = result.provenance.choice, result.manifest
    assert choice is not None and manifest.verdict == "PASS"
    passed = {row.precision for row in choice.candidates if row.reason is None}
    assert {"fp32", choice.chosen} <= passed
    assert {engine.precision for engine in manifest.image_engines} == {"fp32", choice.chosen}
    segmenter = Segmenter.load(result.path)
    assert segmenter.image_engine.precision == choice.chosen
    assert len(np.unique(segmenter(DEMO_SAMPLE, phrases(20)).labels)) > 1


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("stages", STAGES)
def test_layers_that_decide_are_layers_in_bf16(stages: str, shape: str) -> None:
    graph = captured(STAGES[stages].config, SHAPES[shape])
    if stages == "one" and shape != "square" and has_bf16():
        # Beyond 256 tokens bf16 cannot count, and no later stage keeps the last one's counts in float32.
        with pytest.raises(ExportError, match="grouping_1.count: bf16"):
            missing_layers(graph)
        return
    assert missing_layers(graph) == set()


def phrases(count: int) -> Sequence[str]:
    """So many names, no two of which are read alike."""
    return [*VOC, *(" ".join(pair) for pair in itertools.permutations(VOC, 2))][:count]


@pytest.mark.slow
@pytest.mark.parametrize("target", ["onnx", "openvino", "litert"])
@pytest.mark.parametrize("shape", ["square", "wide", "tall"])
@pytest.mark.parametrize("stages", STAGES)
def test_stages_shapes_and_words(tmp_path: Path, stages: str, shape: str, target: str) -> None:
    skip_what_cannot_be_exported_here(target, "fp32")
    checkpoint = write_checkpoint(tmp_path, STAGES[stages].config)
    result = export_bundle(
        ExportOptions(
            target=target,
            precision="fp32",
            checkpoint=str(checkpoint),
            image_size=SHAPES[shape],
            output=tmp_path / "bundle",
        )
    )
    assert len(result.manifest.model.groups) == list(STAGES).index(stages) + 1
    check_verdict(result.manifest, result.provenance)
    segmenter = Segmenter.load(result.path)
    for count in (1, 150):
        labels = segmenter(DEMO_SAMPLE, phrases(count)).labels
        assert labels.max() < count and (count == 1 or len(np.unique(labels)) > 1)


@pytest.mark.slow
@pytest.mark.parametrize("target", ["onnx", "openvino", "litert"])
@pytest.mark.parametrize("count", [1, 150])
def test_few_and_many_words_are_verified(
    one_layer_a_stage: Path, tmp_path: Path, count: int, target: str
) -> None:
    skip_what_cannot_be_exported_here(target, "fp32")
    options = ExportOptions(
        target=target, precision="fp32", checkpoint=str(one_layer_a_stage), output=tmp_path / "bundle"
    )
    bundle = export_bundle(options).path
    report = verify_bundle(bundle, VerifyOptions(labels=tuple(phrases(count)), limit=1)).report
    assert report.verdict == "PASS", report.findings
