"""Bundles whose image engine normalizes and decodes by itself, from export to label map."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image
from verifying import demo_subject, engine_backend, examine_backends

from groupvit_export.cli import main
from groupvit_export.errors import UsageError
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.provenance import read_provenance
from groupvit_export.verification.api import VerifyOptions, verify_bundle
from groupvit_export.verification.rows import RowKey, RowKind
from groupvit_runtime import Segmenter
from groupvit_runtime.manifest import FileInfo
from groupvit_runtime.open_bundle import open_bundle

ROW = RowKey(RowKind.GRAPH_LABELS)


def export(target: str, folder: Path) -> Path:
    options = ExportOptions(
        target=target, precision="fp32", input="uint8", decode_in_graph=True, output=folder
    )
    return export_bundle(options).path


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export("onnx", tmp_path_factory.mktemp("inputs") / "onnx")


def images(scenes: Any) -> list[np.ndarray]:
    """Of three sizes, two of them twice, not in order."""
    sizes = [(224, 224), (97, 203), (300, 120), (97, 203), (224, 224)]
    return [
        np.asarray(Image.open(scenes.image(index)).convert("RGB").resize((width, height)))
        for index, (height, width) in enumerate(sizes)
    ]


def share_that_differs(first: list[Any], second: list[Any]) -> float:
    assert [item.labels.shape for item in first] == [item.labels.shape for item in second]
    wrong = sum((a.labels != b.labels).sum() for a, b in zip(first, second, strict=True))
    return wrong / sum(a.labels.size for a in first)


def test_requests_of_several_callers_share_the_engine(bundle: Path, scenes: Any) -> None:
    """It decodes one size and one set of classes at a time, and cannot abstain."""
    segmenter = Segmenter.load(bundle)
    words = [["tree", "sky"], ["grass", "sky"]]
    options: list[dict[str, Any]] = [{}, {}, {}, {"threshold": 0.4}, {}]
    requests = [
        segmenter.prepare(image, words[index % 2], **options[index])
        for index, image in enumerate(images(scenes))
    ]
    for index, result in enumerate(segmenter.compute(requests)):
        alone = segmenter(requests[index].image, words[index % 2], **options[index])
        assert np.array_equal(result.labels, alone.labels) and result.names == alone.names


def test_the_manifest_says_what_is_inside(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = open_bundle(bundle).manifest
    image, text = manifest.engine("image"), manifest.engine("text")
    assert (image.normalizes, text.normalizes) == ("hf", None)
    assert {t.name: (t.dtype, t.shape) for t in image.inputs} == {
        "pixels": ("uint8", (-1, 224, 224, 3)),
        "text_embeds": ("float32", (-1, 64)),
        "size": ("int64", (2,)),
    }
    assert (image.outputs[-1].name, image.outputs[-1].dtype) == ("labels", "int32")
    assert len(image.outputs) == 8
    parity = read_provenance(open_bundle(bundle)).parity
    assert parity.verdict == "PASS"
    assert {ROW.slug, "pass_fuse_qkv"} <= {row.name for row in parity.rows}
    assert main(["inspect", str(bundle)]) == 0
    assert "inside: normalizes pixels as hf, decodes label maps" in capsys.readouterr().out


def test_label_maps_are_those_of_the_plain_bundle(
    bundle: Path, demo_bundles: Mapping[str, Path], scenes: Any, demo_labels: list[str]
) -> None:
    plain, own = Segmenter.load(demo_bundles["onnx"]), Segmenter.load(bundle, batch_size=4)
    given = images(scenes)
    expected, found = plain(given, demo_labels), own(given, demo_labels)
    assert share_that_differs(expected, found) < 1e-4
    for a, b in zip(expected, found, strict=True):
        np.testing.assert_allclose(list(a.scores.values()), list(b.scores.values()), atol=1e-5)
        assert np.mean(a.groups() != b.groups()) < 1e-3
    assert share_that_differs([own(given[2], demo_labels)], [found[2]]) == 0


def test_it_abstains_and_has_scores_as_the_plain_bundle(
    bundle: Path, demo_bundles: Mapping[str, Path], scenes: Any, demo_labels: list[str]
) -> None:
    plain, own = Segmenter.load(demo_bundles["onnx"]), Segmenter.load(bundle, batch_size=4)
    given = images(scenes)
    expected, found = (
        each(given, demo_labels[:6], negatives=demo_labels[6:], threshold=0.7) for each in (plain, own)
    )
    assert share_that_differs(expected, found) < 1e-3
    for a, b in zip(expected, found, strict=True):
        unlabeled = b.score_map().argmax(axis=2) >= 6
        unlabeled |= b.confidence < np.float32(0.7)
        np.testing.assert_array_equal(b.labels == b.unlabeled, unlabeled)
        np.testing.assert_allclose(a.score_map(), b.score_map(), atol=2e-3)
    # What the engine decodes by itself has scores all the same.
    scores = own(given[0], demo_labels).score_map()
    np.testing.assert_allclose(scores, plain(given[0], demo_labels).score_map(), atol=2e-3)


def test_the_paper_decode_uses_the_other_outputs(
    bundle: Path, demo_bundles: Mapping[str, Path], scenes: Any, demo_labels: list[str]
) -> None:
    contracts = open_bundle(bundle).manifest.preprocessing
    own = Segmenter.load(bundle)
    if not contracts.paper.normalizes_like(contracts.hf):
        with pytest.raises(UsageError, match="not as the paper decode needs them"):
            own(images(scenes)[1], demo_labels, decode="paper")
        with pytest.raises(UsageError, match="--input uint8 --decode paper"):
            Segmenter.load(bundle, decode="paper")
        return
    plain = Segmenter.load(demo_bundles["onnx"])
    results = [[s(images(scenes)[1], demo_labels, decode="paper")] for s in (plain, own)]
    assert share_that_differs(*results) < 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": "onnx", "input": "unit8"}, "did you mean --input uint8"),
        ({"target": "trt", "decode_in_graph": True}, "shape tensor"),
        ({"target": "torch", "decode_in_graph": True}, "--target onnx or openvino"),
    ],
)
def test_what_is_illegal_is_refused_before_any_work(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        export_bundle(ExportOptions(**options), checkpoint=None)


def test_the_command_line_refuses_as_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", "--target", "trt", "--decode-in-graph"]) == 2
    assert "binds shapes only" in capsys.readouterr().err
    assert main(["export", "--target", "onnx", "--input", "float16"]) == 2
    assert "float32 or uint8" in capsys.readouterr().err


def spoilt(bundle: Path, folder: Path, change: Callable[[onnx.GraphProto], None]) -> Path:
    """A copy whose image engine was changed, with a manifest that agrees."""
    copy = Path(shutil.copytree(bundle, folder))
    model = onnx.load(copy / "image.onnx")
    change(model.graph)
    onnx.save(model, copy / "image.onnx")
    old, new = open_bundle(bundle).manifest.engine("image").files[0], FileInfo.of(copy, "image.onnx")
    text = (copy / "manifest.json").read_text()
    text = text.replace(old.sha256, new.sha256).replace(f'"bytes": {old.bytes}', f'"bytes": {new.bytes}')
    (copy / "manifest.json").write_text(text)
    return copy


def wrong_constant(name: str) -> Callable[[onnx.GraphProto], None]:
    def change(graph: onnx.GraphProto) -> None:
        tensor = next(item for item in graph.initializer if item.name == name)
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) * np.float32(1.02), name))

    return change


def worst_class(graph: onnx.GraphProto) -> None:
    """The label map of the least likely class."""
    argmax = next(node for node in graph.node if node.op_type == "ArgMax")
    node = onnx.helper.make_node("Neg", [argmax.input[0]], ["worse"], name="worse")
    argmax.input[0] = "worse"
    graph.node.insert(list(graph.node).index(argmax), node)


@pytest.mark.slow
@pytest.mark.parametrize("constant", ["normalization.scale", "normalization.shift"])
def test_a_wrong_normalization_inside_is_found(bundle: Path, tmp_path: Path, constant: str) -> None:
    bad = spoilt(bundle, tmp_path / "bad", wrong_constant(constant))
    report = examine_backends(demo_subject(), engine_backend(bad, tmp_path / "cut"))
    assert report.cell("stage_1_logits", "engine").verdict == "FAIL"


@pytest.mark.slow
def test_a_wrong_decode_inside_is_found_and_nothing_else(bundle: Path, tmp_path: Path) -> None:
    bad = spoilt(bundle, tmp_path / "bad", worst_class)
    report = examine_backends(demo_subject(), engine_backend(bad, tmp_path / "cut"))
    assert {finding.row for finding in report.findings} == {ROW}


@pytest.mark.slow
@pytest.mark.parametrize("target", ["onnx", pytest.param("openvino", marks=pytest.mark.slow)])
def test_verify_passes_and_labels_are_compared(target: str, bundle: Path, tmp_path: Path) -> None:
    path = bundle if target == "onnx" else export(target, tmp_path / target)
    report = verify_bundle(path, VerifyOptions(limit=2)).report
    assert report.verdict == "PASS", report.findings
    cell = report.cell(ROW, f"{target} fp32")
    assert cell.verdict == "PASS" and cell.detail.pixels > 0
