"""`groupvit verify`: what it prints, writes and exits with."""

from __future__ import annotations

import base64
import io
import json
import re
import shutil
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from bad_bundles import edit_manifest
from made import come_from, use_passes
from PIL import Image
from planted import perturb_one_weight, plant, wrong_mean
from safetensors.torch import save_file

from groupvit_export.cli import main
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.model import GroupViTModel
from groupvit_export.model.config import GroupViTConfig
from groupvit_export.provenance import read_provenance
from groupvit_export.verification.api import VerifyOptions, verify_bundle
from groupvit_export.verification.details import ChosenImages, TurnedImages
from groupvit_export.verification.inputs import bundled_scenes
from groupvit_export.verification.prepare import prepare
from groupvit_runtime.open_bundle import open_bundle


@pytest.fixture(scope="module")
def images(scenes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    shutil.copy(scenes.image(0), folder)
    return folder


def test_a_sound_bundle_passes_and_the_report_shows_it(
    demo_bundles: Mapping[str, Path], images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "report.html"
    arguments = ["verify", str(demo_bundles["openvino"]), "--images", str(images), "--html", str(page)]
    assert main([*arguments, "--against", str(DEMO_CHECKPOINT)]) == 0
    out = capsys.readouterr().out
    assert "stage 1 safe flips" in out and "labels paper: safe pixels" in out and "PASS" in out
    assert "openvino fp32" in out and "torch fp32" in out and "at most" in out
    text = page.read_text(encoding="utf-8")
    check_page(text)
    assert text.count("<figure>") == 4
    assert "PASS" in text and "000000.png" in text


def check_page(text: str) -> None:
    """Whole, and needs nothing from elsewhere."""
    opened: list[str] = []

    class Checker(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            if tag not in ("meta", "img", "br"):
                opened.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert opened.pop() == tag

    Checker().feed(text)
    assert opened == []
    assert not re.search(r'(?:src|href)="(?!data:)', text) and "http" not in text
    for encoded in re.findall(r'src="data:image/jpeg;base64,([^"]+)"', text):
        Image.open(io.BytesIO(base64.b64decode(encoded))).verify()


@pytest.mark.slow
def test_a_failing_bundle_exits_with_3_and_says_where(
    demo_bundles: Mapping[str, Path], images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = plant(demo_bundles["onnx"], tmp_path / "bundle", perturb_one_weight)
    page = tmp_path / "report.html"
    arguments = [str(bundle), "--images", str(images), "--bisect", "--html", str(page), "--json"]
    assert main(["verify", *arguments]) == 3
    result = json.loads(capsys.readouterr().out)
    assert result["verdict"] == "FAIL"
    assert result["findings"][0].startswith("onnx fp32: stage 1 logits at logits_1, ")
    assert result["divergences"]["onnx fp32"]["operator"] == "MatMul"
    check_page(page.read_text(encoding="utf-8"))
    assert "First in onnx fp32" in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_another_checkpoint_is_noted_and_fails(
    demo_bundles: Mapping[str, Path], images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    other = Path(shutil.copytree(DEMO_CHECKPOINT, tmp_path / "other"))
    weights = load_file(other / "model.safetensors")
    name = "text_model.encoder.layers.0.mlp.fc1.weight"
    weights[name] = (weights[name].float() * 1.01).to(torch.float16)
    save_file(weights, other / "model.safetensors", {"format": "pt"})
    arguments = [str(demo_bundles["onnx"]), "--images", str(images), "--against", str(other)]
    assert main(["verify", *arguments, "--quiet"]) == 3
    captured = capsys.readouterr()
    assert "not the one that the bundle was exported from" in captured.out
    assert "FAIL first in onnx fp32: text_embeds" in captured.out
    assert captured.err == ""


@pytest.mark.slow
def test_further_targets_stand_beside_it(
    demo_bundles: Mapping[str, Path], few_scenes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a data set: images, masks and classes.txt."""
    bundle = Path(shutil.copytree(demo_bundles["openvino"], tmp_path / "bundle"))
    edit_manifest(bundle, wrong_mean)
    arguments = [str(bundle), "--images", str(few_scenes), "--limit", "1", "--targets", "onnx", "--json"]
    assert main(["verify", *arguments]) == 3
    result = json.loads(capsys.readouterr().out)
    assert [c["name"] for c in result["report"]["columns"]][2:] == ["openvino fp32", "onnx fp32, built here"]
    assert any("1 of 8 images were taken" in note for note in result["report"]["notes"])
    (finding,) = result["findings"]
    assert finding.startswith("openvino fp32: pixel_values")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--targets", "abacus"], "unknown target"),
        (["--limit", "0"], "positive"),
        (["--images", "/nowhere"], "not there"),
        (["--html", "/nowhere/report.html"], "nowhere to go"),
        (["--labels", "a zebra"], "zebra"),
        (["--labels", "red house,red house"], "twice"),
    ],
)
def test_bad_arguments_are_refused_with_what_is_legal(
    demo_bundles: Mapping[str, Path],
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    assert main(["verify", str(demo_bundles["onnx"]), *arguments, "--quiet"]) in (1, 2)
    error = capsys.readouterr().err
    assert message in error and "Traceback" not in error


def test_a_checkpoint_that_is_gone(
    demo_bundles: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = Path(shutil.copytree(demo_bundles["onnx"], tmp_path / "bundle"))
    come_from(bundle, str(tmp_path / "moved"))
    assert main(["verify", str(bundle), "--quiet"]) == 1
    assert "--against CHECKPOINT" in capsys.readouterr().err


def test_a_bundle_with_a_pass_that_is_gone_runs_and_says_how_to_verify_it(
    demo_bundles: Mapping[str, Path], images: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = Path(shutil.copytree(demo_bundles["onnx"], tmp_path / "bundle"))
    use_passes(bundle, ("fuse_qkv", "fold_of_old"))
    image = str(images / "000000.png")
    assert main(["segment", str(bundle), image, "--labels", "sky", "-o", str(tmp_path / "out")]) == 0
    assert main(["inspect", str(bundle)]) == 0
    assert "fold_of_old" in capsys.readouterr().out
    assert main(["verify", str(bundle), "--quiet"]) == 2
    error = capsys.readouterr().err
    assert "fold_of_old" in error and "fuse_qkv, " not in error.split("expected")[0]
    assert "export the checkpoint again" in error


def test_a_checkpoint_of_another_architecture_is_refused(
    demo_bundles: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Path(shutil.copytree(DEMO_CHECKPOINT, tmp_path / "other"))
    config = json.loads((other / "config.json").read_text(encoding="utf-8"))
    config["vision_config"]["patch_size"] = 8
    (other / "config.json").write_text(json.dumps(config), encoding="utf-8")
    weights = GroupViTModel(GroupViTConfig.from_dict(config)).state_dict()
    save_file({name: value.contiguous() for name, value in weights.items()}, other / "model.safetensors")
    assert (
        main(["verify", str(demo_bundles["onnx"]), "--against", str(other), "--limit", "1", "--quiet"]) == 1
    )
    error = capsys.readouterr().err
    assert "another architecture" in error and "'patch_size': 8" in error and "Traceback" not in error


@pytest.mark.slow
def test_photographs_are_shrunk_and_counted(
    demo_bundles: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "images"
    images.mkdir()
    for index in range(3):
        Image.linear_gradient("L").resize((3000, 60)).convert("RGB").save(images / f"{index}.jpg")
    page = tmp_path / "report.html"
    arguments = ["--images", str(images), "--limit", "2", "--html", str(page)]
    assert main(["verify", str(demo_bundles["onnx"]), *arguments]) in (0, 4)
    out = capsys.readouterr().out
    assert "2 images shrunk to 1024 pixels" in out
    assert "2 of 3 images were taken, spread evenly" in out
    assert page.read_text(encoding="utf-8").count("<figure>") == 8


@pytest.mark.slow
def test_fewer_images_of_the_package_and_how_far_it_is(demo_bundles: Mapping[str, Path]) -> None:
    told: list[tuple[str, float]] = []
    found = verify_bundle(
        demo_bundles["onnx"],
        VerifyOptions(limit=1),
        report=lambda what, share, seconds: told.append((what, share)),
    )
    assert ChosenImages(1, 20) in found.report.notes
    assert [len(shown) for shown in found.shown.values()] == [1]
    examined = told[told.index(("reference in float64", 0.0)) :]
    assert list(dict.fromkeys(what for what, _ in examined)) == [
        "reference in float64", "encoder fp64", "torch fp32", "onnx fp32",
    ]  # fmt: skip
    shares = [share for _, share in examined]
    # Whoever is told the time left by this must not be told nonsense: every phase says how far it is.
    assert shares == sorted(shares) and shares[-1] == 1.0 and max(np.diff(shares)) < 0.25


def test_images_that_are_shown_turned_are_noted_where_they_have_masks(
    demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.new("RGB", (40, 30)).save(tmp_path / "images" / "a.png", exif=exif)
    Image.new("L", (40, 30)).save(tmp_path / "masks" / "a.png")
    (tmp_path / "classes.txt").write_text("boat\n")
    bundle = open_bundle(demo_bundles["onnx"])
    notes = prepare(bundle, read_provenance(bundle), VerifyOptions(images=tmp_path)).notes
    assert notes == (TurnedImages(1, 1),)


def test_the_package_ships_twenty_images() -> None:
    images = bundled_scenes()
    assert len(images) == 20 and list(bundled_scenes(20)) == list(images)
    assert len(bundled_scenes(3)) == 3 and bundled_scenes(3).keys() <= bundled_scenes(4).keys()
    assert all(rgb.shape == (224, 224, 3) for rgb in images.values())
