"""Checkpoint to bundle: what is written, what is refused, and that nothing half-written stays."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import onnx
import openvino
import pytest
import torch
from made import provenance_of
from nvlabs_names import from_canonical
from planted import mean_without_eps

import groupvit_export.build.graphs as graphs
import groupvit_export.build.source as source_module
from groupvit_export.checkpoint.load import build_model, load_checkpoint
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.errors import CheckpointError, ExportError, GroupViTError, ParityError, UsageError
from groupvit_export.pipeline.api import ExportOptions, bundle_path, export_bundle
from groupvit_export.targets.base import BuildRequest, BuiltEngine
from groupvit_export.targets.onnx.target import OnnxTarget
from groupvit_runtime import Segmenter
from groupvit_runtime.errors import ParityWarning
from groupvit_runtime.manifest import read_manifest


def test_a_bundle_holds_what_its_manifest_names_and_nothing_else(demo_bundle: Path) -> None:
    manifest = read_manifest(demo_bundle)
    named = {file.path for engine in manifest.engines for file in engine.files}
    named |= {"manifest.json", "provenance.json", manifest.tokenizer.path if manifest.tokenizer else ""}
    assert {path.relative_to(demo_bundle).as_posix() for path in demo_bundle.rglob("*")} == named


def test_parity_was_checked_at_several_batches(demo_bundle: Path) -> None:
    parity = provenance_of(demo_bundle).parity
    assert (parity.verdict, parity.first) == ("PASS", None)
    assert {"batch 1", "batch 3", "batch 4", "batch 8"} <= set(
        re.findall(r"batch \d", " ".join(parity.cases))
    )
    rows = {row.name: row for row in parity.rows}
    for stage in (1, 2):
        assert rows[f"stage_{stage}_safe_flips"].value == 0
        logits = rows[f"stage_{stage}_logits"]
        assert 0 < logits.value <= logits.budget
        assert rows[f"grouping_{stage}_alone_decisions"].value == 0
    for name in ("masks", "group_embeds", "image_embeds", "text_embeds", "soft_map_1", "soft_map_2"):
        assert rows[name].value <= rows[name].budget


def test_float32_alone_has_nothing_beside_it(demo_bundle: Path) -> None:
    assert provenance_of(demo_bundle).precisions == ()


def test_engines_are_pure_files_of_their_tools(demo_bundles: Mapping[str, Path]) -> None:
    onnx.checker.check_model(demo_bundles["onnx"] / "image.onnx", full_check=True)
    model = openvino.Core().read_model(demo_bundles["openvino"] / "image.xml")
    assert {output.any_name for output in model.outputs} >= {"masks", "group_embeds", "assignment_1"}
    assert str(Path.home()) not in (demo_bundles["openvino"] / "image.xml").read_text()


def test_the_onnx_file_explains_itself(demo_bundles: Mapping[str, Path]) -> None:
    for role in ("image", "text"):
        model = onnx.load(demo_bundles["onnx"] / f"{role}.onnx")
        assert model.producer_name and model.producer_version and model.domain and model.model_version
        assert model.doc_string and model.graph.name and model.graph.doc_string
        properties = {item.key: item.value for item in model.metadata_props}
        assert set(properties) >= {"checkpoint", "checkpoint_sha256", "image_size", "passes", "precision"}
        assert all(properties.values())
        assert all(value.doc_string for value in (*model.graph.input, *model.graph.output))


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (ExportOptions(target="onnx", precision="fp32"), "demo-onnx-fp32"),
        (
            ExportOptions(target="openvino", precision="fp32", checkpoint="nvidia/groupvit-gcc-yfcc"),
            "groupvit-gcc-yfcc-openvino-fp32",
        ),
        (
            ExportOptions(target="onnx", precision="fp32", checkpoint="weights/group vit.pth"),
            "group-vit-onnx-fp32",
        ),
        (ExportOptions(target="onnx", precision="fp32", output=Path("here")), "here"),
    ],
)
def test_a_bundle_is_called_after_checkpoint_target_and_precision(options: ExportOptions, name: str) -> None:
    assert str(bundle_path(options)) == name


def test_an_existing_output_is_refused_before_any_work(
    demo_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source_module, "load_checkpoint", lambda *a, **k: pytest.fail("work was begun"))
    with pytest.raises(GroupViTError, match="exists already"):
        export_bundle(ExportOptions(target="onnx", precision="fp32", output=demo_bundle))


@pytest.mark.parametrize(
    "options",
    [
        {"target": "abacus"},
        {"target": "onnx", "precision": "fp4"},
        {"target": "onnx", "passes": ("fold_everything",)},
        {"target": "onnx", "decode": "best"},
    ],
)
def test_what_no_target_offers_is_refused_with_what_there_is(options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="expected:"):
        export_bundle(ExportOptions(**options))


def checkpoint_copy(folder: Path) -> Path:
    return Path(shutil.copytree(DEMO_CHECKPOINT, folder))


def edit_json(path: Path, change: Callable[[dict], None]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (lambda p: (p / "tokenizer.json").unlink(), CheckpointError, "without a tokenizer"),
        (lambda p: (p / "tokenizer.json").write_text("{}"), CheckpointError, "tokenizer cannot be read"),
        (lambda p: (p / "preprocessor_config.json").write_text("{"), CheckpointError, "preprocessor_config"),
        (
            lambda p: edit_json(p / "preprocessor_config.json", lambda v: v.update(resample=77)),
            CheckpointError,
            "preprocessor_config",
        ),
        (
            lambda p: edit_json(p / "config.json", lambda v: v.update(model_type="clip")),
            CheckpointError,
            "clip",
        ),
        (
            lambda p: edit_json(p / "config.json", lambda v: v["text_config"].update(eos_token_id=3)),
            ExportError,
            "end of the sentence",
        ),
    ],
)
def test_a_spoilt_checkpoint_leaves_nothing_behind(
    tmp_path: Path, spoil: Callable[[Path], None], error: type[GroupViTError], message: str
) -> None:
    source = checkpoint_copy(tmp_path / "checkpoint")
    spoil(source)
    with pytest.raises(error, match=message):
        export_bundle(
            ExportOptions(
                target="onnx", precision="fp32", checkpoint=str(source), output=tmp_path / "out" / "bundle"
            )
        )
    assert not (tmp_path / "out").exists() or list((tmp_path / "out").iterdir()) == []


def test_a_tokenizer_of_another_model_is_refused_before_the_long_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = checkpoint_copy(tmp_path / "checkpoint")
    edit_json(source / "config.json", lambda value: value["text_config"].update(eos_token_id=3))
    monkeypatch.setattr(graphs, "ImageEncoder", lambda *a: pytest.fail("the capture was begun"))
    with pytest.raises(ExportError, match="end of the sentence"):
        export_bundle(
            ExportOptions(target="onnx", precision="fp32", checkpoint=str(source), output=tmp_path / "bundle")
        )


def test_an_image_size_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"100x112(.|\n)*multiples of 16"):
        export_bundle(
            ExportOptions(target="onnx", precision="fp32", image_size=(100, 112), output=tmp_path / "bundle")
        )
    assert list(tmp_path.iterdir()) == []


def spoilt_build(change: Callable[[onnx.ModelProto], None]) -> Callable[..., BuiltEngine]:
    genuine = OnnxTarget.build

    def build(target: OnnxTarget, model: onnx.ModelProto, folder: Path, request: BuildRequest) -> BuiltEngine:
        if request.role == "image":
            change(model)
        return genuine(target, model, folder, request)

    return build


def scale_one_weight(model: onnx.ModelProto) -> None:
    """One matrix of the first layer, 1 % larger."""
    tensor = next(t for t in model.graph.initializer if list(t.dims) == [128, 512])
    tensor.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(tensor) * 1.01, tensor.name))


def test_an_engine_that_is_not_the_model_leaves_no_bundle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OnnxTarget, "build", spoilt_build(mean_without_eps))
    with pytest.raises(ParityError, match="engine does not equal the reference") as caught:
        export_bundle(ExportOptions(target="onnx", precision="fp32", output=tmp_path / "bundle"))
    assert caught.value.exit_code == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_failed_parity_that_is_allowed_is_recorded_and_the_runtime_warns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(OnnxTarget, "build", spoilt_build(scale_one_weight))
    options = ExportOptions(
        target="onnx", precision="fp32", output=tmp_path / "bundle", allow_failed_parity=True
    )
    result = export_bundle(options)
    assert read_manifest(result.path).verdict == "FAIL"
    parity = provenance_of(result.path).parity
    assert parity.verdict == "FAIL" and parity.first is not None and "logits" in parity.first
    with pytest.warns(ParityWarning, match="does not equal the reference"):
        Segmenter.load(result.path)


@pytest.mark.slow
def test_another_size_and_another_checkpoint_folder(tmp_path: Path, demo_labels: list[str], scenes) -> None:
    source = checkpoint_copy(tmp_path / "my model")
    result = export_bundle(
        ExportOptions(
            target="openvino",
            precision="fp32",
            checkpoint=str(source),
            image_size=(96, 160),
            templates=("the {}",),
            passes=(),
            output=tmp_path / "bundle",
        )
    )
    manifest = result.manifest
    assert manifest.model.grid == (6, 10)
    assert (manifest.decode.default, manifest.decode.paper, result.provenance.passes) == ("hf", None, ())
    segmenter = Segmenter.load(result.path)
    assert segmenter(scenes.image(0), demo_labels).labels.shape == (224, 224)
    with pytest.raises(UsageError, match="not square"):
        segmenter(scenes.image(0), demo_labels, decode="paper")


def test_the_paper_decode_needs_a_square_engine(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"96x160(.|\n)*--image-size 96"):
        export_bundle(
            ExportOptions(
                target="onnx",
                precision="fp32",
                image_size=(96, 160),
                decode="paper",
                output=tmp_path / "bundle",
            )
        )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_an_nvlabs_file_gives_the_same_masks_as_the_folder(
    tmp_path: Path, demo_bundles: Mapping[str, Path], demo_labels: list[str], scenes
) -> None:
    checkpoint = load_checkpoint(DEMO_CHECKPOINT)
    torch.save({"model": from_canonical(checkpoint.state_dict)}, tmp_path / "demo.pth")
    result = export_bundle(
        ExportOptions(
            target="openvino",
            precision="fp32",
            checkpoint=str(tmp_path / "demo.pth"),
            config=DEMO_CHECKPOINT / "config.json",
            tokenizer=DEMO_CHECKPOINT,
            output=tmp_path / "bundle",
        )
    )
    assert result.manifest.decode.default == "paper"
    assert result.manifest.cleans_as_nvlabs and not read_manifest(demo_bundles["onnx"]).cleans_as_nvlabs
    assert result.provenance.checkpoint.format == "nvlabs"
    assert result.manifest.fingerprint == read_manifest(demo_bundles["onnx"]).fingerprint
    ours = Segmenter.load(result.path)(scenes.image(0), demo_labels, decode="hf")
    theirs = Segmenter.load(demo_bundles["openvino"])(scenes.image(0), demo_labels)
    np.testing.assert_array_equal(ours.labels, theirs.labels)


def test_an_nvlabs_file_without_a_tokenizer_says_what_to_give(tmp_path: Path) -> None:
    torch.save({"model": from_canonical(load_checkpoint(DEMO_CHECKPOINT).state_dict)}, tmp_path / "demo.pth")
    with pytest.raises(CheckpointError, match="--tokenizer PATH"):
        export_bundle(
            ExportOptions(
                target="onnx",
                precision="fp32",
                checkpoint=str(tmp_path / "demo.pth"),
                config=DEMO_CHECKPOINT / "config.json",
                output=tmp_path / "bundle",
            )
        )


def test_the_demo_is_small_and_complete() -> None:
    files = {path.name: path.stat().st_size for path in DEMO_CHECKPOINT.iterdir()}
    assert set(files) == {
        "README.md",
        "config.json",
        "model.safetensors",
        "preprocessor_config.json",
        "sample.png",
        "tokenizer.json",
    }
    assert sum(files.values()) <= 6_000_000
    assert not build_model(load_checkpoint(DEMO_CHECKPOINT)).training
