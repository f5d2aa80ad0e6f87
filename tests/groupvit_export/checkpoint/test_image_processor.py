"""Folders that transformers saved: which pixels they ask for, by transformers' own processor."""

from __future__ import annotations

import fnmatch
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from groupvit_export.checkpoint import preprocessor
from groupvit_export.checkpoint.load import load_checkpoint
from groupvit_export.checkpoint.notes import AssumedSettings
from groupvit_export.checkpoint.words import preprocessing_words
from groupvit_export.cli import main
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.errors import CheckpointError
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.verification.api import VerifyOptions, verify_bundle
from groupvit_runtime import Segmenter
from groupvit_runtime.contract import IMAGENET_MEAN, IMAGENET_STD
from groupvit_runtime.manifest import read_manifest
from groupvit_runtime.preprocess import prepare_whole
from groupvit_runtime.read_image import read_image

transformers = pytest.importorskip("transformers")

NESTED, FLAT = "processor_config.json", "preprocessor_config.json"
SIDE = 224
WHOLE: dict[str, Any] = {"size": {"height": SIDE, "width": SIDE}, "do_center_crop": False}


def image_processor(**settings: Any) -> Any:
    # The class that needs no torchvision, by which every setting is Pillow's and NumPy's.
    return transformers.CLIPImageProcessorPil(**settings)


def save_processor(folder: Path, processor: Any = None, **settings: Any) -> Path:
    """As transformers 5 saves it, beside the demo's words."""
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(DEMO_CHECKPOINT)
    tokenizer.pad_token = "<pad>"
    both = transformers.CLIPProcessor(
        image_processor=processor or image_processor(**settings), tokenizer=tokenizer
    )
    # What was used keeps its padding in tokenizer.json.
    both(text=["a house"], padding="max_length", max_length=12, truncation=True, return_tensors="np")
    both.save_pretrained(folder)
    assert (folder / NESTED).is_file() and not (folder / FLAT).exists()
    return folder


def said_of(folder: Path | None) -> list[str]:
    """What is assumed of a checkpoint's preprocessing, or not followed, in words."""
    return [*map(preprocessing_words, preprocessor.read_preprocessing(folder, (SIDE, SIDE)).notes)]


def save_all(folder: Path, **settings: Any) -> Path:
    transformers.GroupViTModel.from_pretrained(DEMO_CHECKPOINT).save_pretrained(folder)
    return save_processor(folder, **settings)


def edit(path: Path, **values: Any) -> None:
    saved = json.loads(path.read_text())
    saved.get("image_processor", saved).update(values)
    path.write_text(json.dumps(saved))


def noise(height: int, width: int) -> NDArray[np.uint8]:
    # Every value in steep edges: filters differ most there.
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)


def theirs(folder: Path, image: NDArray[np.uint8] | Path) -> NDArray[np.float32]:
    """float32 [3, H, W] by whichever class transformers takes for the folder."""
    processor = transformers.AutoImageProcessor.from_pretrained(folder, backend="pil")
    opened = Image.open(image) if isinstance(image, Path) else Image.fromarray(image)
    # Bytes where nothing is rescaled or normalized; the engine takes float32 always.
    return processor(opened, return_tensors="np")["pixel_values"][0].astype(np.float32)


def ours(folder: Path, rgb: NDArray[np.uint8]) -> NDArray[np.float32]:
    return prepare_whole(rgb, (SIDE, SIDE), preprocessor.preprocessings(folder).hf)


def assert_same_pixels(given: NDArray[np.float32], expected: NDArray[np.float32]) -> None:
    assert given.shape == expected.shape and given.dtype == expected.dtype
    # transformers normalizes in float32, the runtime in float64: a few roundings of the largest value.
    np.testing.assert_allclose(given, expected, rtol=0, atol=4e-7 * max(1, np.abs(expected).max()))


@pytest.mark.parametrize("shape", [(97, 301), (333, 480), (SIDE, SIDE)], ids=str)
@pytest.mark.parametrize(
    "settings",
    [
        *({"resample": code} for code in range(6)),
        {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]},
        {"image_mean": 0.5, "image_std": 0.25},
        {"rescale_factor": 1 / 127.5},
        {"do_rescale": False},
        {"do_normalize": False},
        {"do_rescale": False, "do_normalize": False},
        {"do_convert_rgb": False},
        {"size": [SIDE, SIDE]},
        {"size": SIDE, "default_to_square": True},
        {"do_center_crop": True},
    ],
    ids=str,
)
def test_pixels_are_those_of_transformers(
    tmp_path: Path, settings: dict[str, Any], shape: tuple[int, int]
) -> None:
    folder = save_processor(tmp_path, **{**WHOLE, **settings})
    rgb = noise(*shape)
    assert_same_pixels(ours(folder, rgb), theirs(folder, rgb))
    assert preprocessor.read_preprocessing(folder, (SIDE, SIDE)).notes == ()


@pytest.mark.parametrize("code", [1, 2, 3, 4, 5])
def test_a_tall_image_differs_by_the_order_of_the_two_passes_only(
    tmp_path: Path, scenes: Any, code: int
) -> None:
    # Pillow 13 resizes a tall image's height first, and rounds to uint8 in between; the runtime never does.
    folder = save_processor(tmp_path, **WHOLE, resample=code, do_rescale=False, do_normalize=False)
    rgb = read_image(scenes.image(0))[:, 40:180]
    assert rgb.shape[0] > rgb.shape[1]
    difference = np.abs(ours(folder, rgb) - theirs(folder, rgb))
    assert difference.max() <= 2 and (difference > 0).mean() < 0.5


@pytest.mark.parametrize("side", [97, 480])
@pytest.mark.parametrize("settings", [{}, {"size": SIDE}, {"crop_size": SIDE}], ids=str)
def test_a_square_image_loses_nothing_by_the_crop(
    tmp_path: Path, settings: dict[str, Any], side: int
) -> None:
    folder = save_processor(tmp_path, **settings)
    assert_same_pixels(ours(folder, noise(side, side)), theirs(folder, noise(side, side)))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, f"the short side to {SIDE} and cuts {SIDE}x{SIDE} out of the middle"),
        ({"do_center_crop": False}, f"the short side to {SIDE}:"),
        ({**WHOLE, "do_center_crop": True, "crop_size": 200}, "and cuts 200x200 out"),
        ({**WHOLE, "size": {"height": 256, "width": 192}}, "to 256x192:"),
    ],
)
def test_a_geometry_that_a_label_map_cannot_have_is_named(
    tmp_path: Path, settings: dict[str, Any], said: str
) -> None:
    (note,) = said_of(save_processor(tmp_path, **settings))
    assert note.startswith(NESTED) and said in note and f"whole image to {SIDE}x{SIDE}" in note
    assert "\n" not in note


@pytest.mark.parametrize(
    "kind", ["CLIPImageProcessorFast", "CLIPImageProcessorPil", "CLIPFeatureExtractor", None]
)
@pytest.mark.parametrize("key", ["image_processor_type", "feature_extractor_type"])
def test_every_name_that_the_class_has_had(tmp_path: Path, key: str, kind: str | None) -> None:
    image_processor(**WHOLE, image_mean=0.5).save_pretrained(tmp_path)
    edit(tmp_path / FLAT, image_processor_type=None)
    edit(tmp_path / FLAT, **{key: kind})
    assert preprocessor.preprocessings(tmp_path).hf.mean == (0.5, 0.5, 0.5)


def test_where_both_files_are_the_nested_settings_win_and_it_is_said(tmp_path: Path) -> None:
    save_processor(tmp_path, **WHOLE, image_mean=0.25, resample=2)
    image_processor(**WHOLE, image_mean=0.75, resample=3).save_pretrained(tmp_path)
    assert_same_pixels(ours(tmp_path, noise(50, 70)), theirs(tmp_path, noise(50, 70)))
    (note,) = said_of(tmp_path)
    assert f"{NESTED} and {FLAT} disagree on filter, mean" in note
    assert f"{NESTED} was followed" in note


def test_two_files_that_say_the_same_are_not_mentioned(tmp_path: Path) -> None:
    save_processor(tmp_path, **WHOLE)
    image_processor(**WHOLE).save_pretrained(tmp_path)
    assert said_of(tmp_path) == []


def test_the_file_that_loses_need_not_be_readable(tmp_path: Path) -> None:
    save_processor(tmp_path, **WHOLE, image_mean=0.25)
    (tmp_path / FLAT).write_text("{")
    read = preprocessor.read_preprocessing(tmp_path, (SIDE, SIDE))
    assert read.contracts.hf.mean == (0.25, 0.25, 0.25)
    assert FLAT in said_of(tmp_path)[0] and "cannot be followed" in said_of(tmp_path)[0]


@pytest.mark.parametrize("nested", [{"processor_class": "CLIPProcessor"}, {"image_processor": None}])
def test_a_processor_file_without_image_settings_leaves_them_to_the_other(
    tmp_path: Path, nested: dict[str, Any]
) -> None:
    (tmp_path / "config.json").write_text((DEMO_CHECKPOINT / "config.json").read_text())
    (tmp_path / NESTED).write_text(json.dumps(nested))
    assert "assumes ImageNet's" in said_of(tmp_path)[0]
    image_processor(**WHOLE, image_mean=0.75).save_pretrained(tmp_path)
    assert_same_pixels(ours(tmp_path, noise(50, 70)), theirs(tmp_path, noise(50, 70)))
    assert said_of(tmp_path) == []


@pytest.mark.parametrize("single_file", [False, True])
def test_what_is_assumed_without_any_file_is_said_in_a_line(tmp_path: Path, single_file: bool) -> None:
    folder = None if single_file else tmp_path
    read = preprocessor.read_preprocessing(folder, (SIDE, SIDE))
    assert (read.contracts.hf.mean, read.contracts.hf.std) == (IMAGENET_MEAN, IMAGENET_STD)
    (note,) = said_of(folder)
    assert "assumes ImageNet's mean and std" in note and "bilinear" in note and "\n" not in note


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"do_resize": False}, r"do_resize: false(.|\n)*every image"),
        ({"do_pad": True, "pad_size": {"height": 300, "width": 300}}, "do_pad: true"),
        ({"size": {"shortest_edge": SIDE, "longest_edge": 300}}, "longest_edge"),
        ({"size": {"max_height": SIDE, "max_width": SIDE}}, "max_height"),
    ],
)
def test_what_transformers_can_do_and_the_runtimes_cannot_is_refused(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    folder = save_processor(tmp_path, **settings)
    with pytest.raises(CheckpointError, match=rf"{NESTED}(.|\n)*{message}(.|\n)*fix:"):
        preprocessor.read_preprocessing(folder, (SIDE, SIDE))


def test_another_class_is_refused(tmp_path: Path) -> None:
    save_processor(tmp_path, transformers.ViTImageProcessorPil())
    with pytest.raises(CheckpointError, match=r'"ViTImageProcessor"(.|\n)*expected: .*CLIPImageProcessor'):
        preprocessor.read_preprocessing(tmp_path, (SIDE, SIDE))


@pytest.mark.parametrize("file", [NESTED, FLAT])
@pytest.mark.parametrize(
    "values",
    [
        *({"resample": value} for value in ("bicubic", 6, -1, True, 2.0, None)),
        *({"size": value} for value in (0, -224, True, 224.0, "224", None, [224], {"height": 224}, {})),
        *({"crop_size": value} for value in (0, None, {"shortest_edge": 224})),
        *({"image_mean": value} for value in ([0.5], "0.5", None, [0.5, 0.5, None], [0.5, 0.5, True])),
        *({"image_mean": value} for value in (float("nan"), [0.5, float("inf"), 0.5])),
        *({"image_std": value} for value in (0, [0.5, 0.0, 0.5], -1)),
        *({"rescale_factor": value} for value in (0, None, "1/255", -1)),
        *({key: 1} for key in ("do_rescale", "do_normalize", "do_center_crop", "do_resize")),
        {"do_resize": None},
        {"image_processor_type": None, "auto_map": {"AutoImageProcessor": "mine.Mine"}},
    ],
    ids=str,
)
def test_what_no_processor_can_follow_is_refused_by_its_name(
    tmp_path: Path, file: str, values: dict[str, Any]
) -> None:
    if file == NESTED:
        save_processor(tmp_path)
    else:
        image_processor().save_pretrained(tmp_path)
    edit(tmp_path / file, **values)
    name = next(key for key in values if key != "image_processor_type")
    with pytest.raises(CheckpointError, match=rf"^{file} cannot be followed(.|\n)*{name}: (.|\n)*fix:"):
        preprocessor.preprocessings(tmp_path)


@pytest.mark.parametrize("file", [NESTED, FLAT])
@pytest.mark.parametrize("text", ["{", "[]", "\xff", '{"image_processor": 3}'])
def test_a_damaged_file_is_refused(tmp_path: Path, file: str, text: str) -> None:
    if file == FLAT and "image_processor" in text:
        return
    (tmp_path / file).write_text(text, encoding="latin-1")
    with pytest.raises(CheckpointError, match=rf"^{file} cannot be followed(.|\n)*fix:"):
        preprocessor.preprocessings(tmp_path)


def test_a_download_brings_the_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    published = save_all(tmp_path / "published", **WHOLE, image_mean=0.25)

    def download(hub_id: str, *, allow_patterns: list[str], **options: Any) -> str:
        snapshot = tmp_path / "snapshot"
        snapshot.mkdir(exist_ok=True)
        for path in published.iterdir():
            if any(fnmatch.fnmatch(path.name, pattern) for pattern in allow_patterns):
                shutil.copy(path, snapshot)
        return str(snapshot)

    monkeypatch.setattr("huggingface_hub.snapshot_download", download)
    folder = load_checkpoint("acme/groupvit").folder
    assert preprocessor.preprocessings(folder).hf.mean == (0.25, 0.25, 0.25)


# A whole export


LABELS = ("water", "grass", "house", "mountain", "sky")
CLIPS: dict[str, Any] = {**WHOLE, "resample": 3, "image_mean": [0.3, 0.45, 0.6], "image_std": 0.25}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_all(tmp_path_factory.mktemp("saved"), **CLIPS)


@pytest.fixture(scope="module")
def exported(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("exported") / "bundle"
    yield export_bundle(
        ExportOptions(
            target="openvino", precision="fp32", checkpoint=str(saved), templates=("{}",), output=folder
        )
    ).path


def test_an_export_prepares_images_as_transformers_does(saved: Path, exported: Path, scenes: Any) -> None:
    manifest = read_manifest(exported)
    contract = manifest.preprocessing.hf
    assert (contract.mean, contract.std) == ((0.3, 0.45, 0.6), (0.25, 0.25, 0.25))
    assert (contract.filter, contract.antialias, contract.resize) == ("bicubic", True, "whole")
    for image in (scenes.image(0), DEMO_CHECKPOINT / "sample.png"):
        pixels = prepare_whole(read_image(image), manifest.model.image_size, contract)
        assert_same_pixels(pixels, theirs(saved, image))


def test_an_export_segments_as_transformers_does(saved: Path, exported: Path, scenes: Any) -> None:
    model = transformers.GroupViTModel.from_pretrained(saved, dtype=torch.float32).eval()
    processor = transformers.CLIPProcessor.from_pretrained(saved)
    segmenter = Segmenter.load(exported)
    for index in range(3):
        image = scenes.image(index)
        inputs = processor(text=list(LABELS), images=Image.open(image), padding=True, return_tensors="pt")
        inputs.pop("token_type_ids", None)
        with torch.no_grad():
            logits = model(**inputs, output_segmentation=True).segmentation_logits[0]
        labels = segmenter(image, LABELS).labels
        expected = logits.argmax(0).reshape(labels.shape).numpy()
        assert len(np.unique(expected)) > 1
        assert (labels == expected).mean() > 0.999


@pytest.mark.slow
def test_an_assumption_is_said_by_export_and_verify_and_found_where_it_is_wrong(
    saved: Path, scenes: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = Path(shutil.copytree(saved, tmp_path / "bare"))
    (bare / NESTED).unlink()
    bundle = tmp_path / "bundle"
    options = ["--target", "openvino", "--precision", "fp32", "--checkpoint", str(bare)]
    assert main(["export", *options, "-o", str(bundle)]) == 0
    output = capsys.readouterr()
    assert "note: the checkpoint comes without an image processor" in output.out + output.err

    images = tmp_path / "images"
    images.mkdir()
    shutil.copy(scenes.image(0), images)
    passed = verify_bundle(bundle, VerifyOptions(images=images)).report
    assert passed.verdict == "PASS" and passed.notes == (AssumedSettings(single_file=False),)
    failed = verify_bundle(bundle, VerifyOptions(images=images, against=str(saved))).report
    assert failed.verdict == "FAIL"
    assert any(finding.row.slug == "pixel_values" for finding in failed.findings)
