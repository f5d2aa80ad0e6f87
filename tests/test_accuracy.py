"""What the masks are worth: mIoU on scenes with ground truth, by PyTorch and by every target."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import jaccard_score
from tokenizers import Tokenizer

from examples.shapes.scenes import TEST_SEED, write_scenes
from examples.shapes.world import TEMPLATE, VOCABULARIES
from groupvit_export.checkpoint.load import build_model, load_checkpoint
from groupvit_export.checkpoint.preprocessor import preprocessings
from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_runtime import Segmenter
from groupvit_runtime.preprocess import prepare_whole
from groupvit_runtime.read_image import read_image

KINDS = VOCABULARIES["kinds"]
LABEL_OF_VALUE = np.zeros(256, int)
for _label, _values in enumerate(KINDS.values):
    LABEL_OF_VALUE[list(_values)] = _label

SegmentPath = Callable[[Path], NDArray[np.uint16]]


def mean_iou(scenes, segment: SegmentPath, label_of_value: NDArray[np.int_] = LABEL_OF_VALUE) -> float:
    truth, found = [], []
    for index in range(len(scenes.entries)):
        truth.append(label_of_value[np.asarray(Image.open(scenes.mask(index)))].ravel())
        found.append(segment(scenes.image(index)).ravel())
    return 100 * float(jaccard_score(np.concatenate(truth), np.concatenate(found), average="macro"))


def pytorch_segment(checkpoint: Path, labels: tuple[str, ...], template: str) -> SegmentPath:
    """By the reference model's own segmentation logits, upsampled by PyTorch."""
    model = build_model(load_checkpoint(checkpoint))
    tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
    end = tokenizer.token_to_id("<eos>")
    tokenizer.enable_padding(pad_id=end, pad_token="<eos>")
    ids = torch.tensor([e.ids for e in tokenizer.encode_batch([template.format(label) for label in labels])])
    spec, size = preprocessings(checkpoint).hf, model.config.vision_config.image_shape

    def segment(path: Path) -> NDArray[np.uint16]:
        rgb = read_image(path)
        pixels = torch.from_numpy(prepare_whole(rgb, size, spec))[None]
        with torch.no_grad():
            logits = model(ids, pixels, output_segmentation=True).segmentation_logits
        upsampled = torch.nn.functional.interpolate(logits, size=rgb.shape[:2], mode="bilinear")
        return upsampled[0].argmax(dim=0).numpy().astype(np.uint16)

    return segment


@pytest.fixture(scope="module")
def pytorch_miou(scenes) -> float:
    return mean_iou(scenes, pytorch_segment(DEMO_CHECKPOINT, KINDS.classes, TEMPLATE))


def card_miou(vocabulary: str) -> float:
    """Percent on the 500 test scenes by the `hf` decode with ONNX Runtime, as the card of the demo has it."""
    card = (DEMO_CHECKPOINT / "README.md").read_text(encoding="utf-8")
    (figure,) = re.findall(rf"^\| `{vocabulary}` \| ([\d.]+) \|", card, re.MULTILINE)
    return float(figure)


def test_the_demo_is_as_good_as_its_card_says(pytorch_miou: float) -> None:
    # The first 40 of the card's 500 scenes, which are a little harder than the mean of all.
    assert pytorch_miou == pytest.approx(card_miou("kinds"), abs=1.5)


@pytest.mark.slow
def test_the_card_is_right_on_its_own_scenes(demo_bundles: Mapping[str, Path], tmp_path: Path) -> None:
    for _ in write_scenes(tmp_path, 500, seed=TEST_SEED, workers=1):
        pass
    entries = json.loads((tmp_path / "scenes.json").read_text())["scenes"]
    segmenter = Segmenter.load(demo_bundles["onnx"])
    matrix = np.zeros((len(KINDS.classes), len(KINDS.classes)), np.int64)
    for entry in entries:
        truth = LABEL_OF_VALUE[np.asarray(Image.open(tmp_path / "masks" / entry["file"]))]
        found = segmenter(tmp_path / "images" / entry["file"], KINDS.classes).labels
        np.add.at(matrix, (truth, found), 1)
    both = np.diag(matrix)
    miou = 100 * float((both / (matrix.sum(axis=0) + matrix.sum(axis=1) - both)).mean())
    assert len(entries) == 500 and miou == pytest.approx(card_miou("kinds"), abs=0.1)


def test_every_target_is_as_good_as_pytorch(
    demo_bundles: Mapping[str, Path], scenes, pytorch_miou: float
) -> None:
    for target, bundle in demo_bundles.items():
        segmenter = Segmenter.load(bundle)
        miou = mean_iou(scenes, lambda path, s=segmenter: s(path, KINDS.classes).labels)
        print(f"\nmIoU {miou:.3f} by {target}, {pytorch_miou:.3f} by PyTorch, {len(scenes.entries)} scenes")
        assert miou == pytest.approx(pytorch_miou, abs=0.1), target


def test_wrong_colors_would_be_noticed(demo_bundles: Mapping[str, Path], scenes, pytorch_miou: float) -> None:
    segmenter = Segmenter.load(demo_bundles["openvino"])
    swapped = mean_iou(
        scenes,
        lambda path: segmenter(np.ascontiguousarray(read_image(path)[..., ::-1]), KINDS.classes).labels,
    )
    assert swapped < pytorch_miou - 20


@pytest.mark.slow
def test_another_trained_model_of_another_geometry(shared_scenes, shared: Path, tmp_path: Path) -> None:
    """112 px, patches of 8, and words that the demo does not know."""
    colors = ("red", "green", "blue", "yellow", "purple", "orange")
    labels = ("background", *(f"a {color} shape" for color in colors))
    # Ground truth is 0 for background, else 1 + 6 * shape + color.
    label_of_value = np.array([0, *(1 + index % len(colors) for index in range(255))])
    checkpoint, template = shared / "demo-checkpoint", "a photo of {}"
    expected = mean_iou(shared_scenes, pytorch_segment(checkpoint, labels, template), label_of_value)
    assert expected > 80
    for target in ("onnx", "openvino"):
        options = ExportOptions(
            target=target,
            precision="fp32",
            checkpoint=str(checkpoint),
            templates=(template,),
            output=tmp_path / target,
        )
        segmenter = Segmenter.load(export_bundle(options).path)
        miou = mean_iou(shared_scenes, lambda path, s=segmenter: s(path, labels).labels, label_of_value)
        assert miou == pytest.approx(expected, abs=0.1), target
