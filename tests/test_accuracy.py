"""What the masks are worth: mIoU on scenes with ground truth, by PyTorch and by every target."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import jaccard_score
from tokenizers import Tokenizer

from groupvit_export.checkpoint import build_model, load_checkpoint
from groupvit_export.demo import DEMO_CHECKPOINT, DEMO_LABELS
from groupvit_runtime import Segmenter
from groupvit_runtime.preprocess import prepare_whole
from groupvit_runtime.read_image import read_image

# Ground truth is 0 for background, else 1 + 6 * shape + colour, in the scenes' own order of colours.
_COLOURS = ("red", "green", "blue", "yellow", "purple", "orange")
_BACKGROUND = DEMO_LABELS.index("background")
_LABEL_OF_COLOUR = np.array([DEMO_LABELS.index(f"a {colour} shape") for colour in _COLOURS])


def mean_iou(scenes, segment: Callable[[Path], NDArray[np.uint16]]) -> float:
    truth, found = [], []
    for index in range(len(scenes.entries)):
        mask = np.asarray(Image.open(scenes.mask(index))).astype(int)
        truth.append(np.where(mask == 0, _BACKGROUND, _LABEL_OF_COLOUR[(mask - 1) % 6]).ravel())
        found.append(segment(scenes.picture(index)).ravel())
    return 100 * float(jaccard_score(np.concatenate(truth), np.concatenate(found), average="macro"))


@pytest.fixture(scope="module")
def pytorch_miou(scenes) -> float:
    """By the reference model's own segmentation logits, upsampled by PyTorch."""
    model = build_model(load_checkpoint(DEMO_CHECKPOINT))
    tokenizer = Tokenizer.from_file(str(DEMO_CHECKPOINT / "tokenizer.json"))
    sentences = [tokenizer.encode(f"a photo of {label}").ids for label in DEMO_LABELS]
    length = max(map(len, sentences))
    ids = torch.tensor([ids + [20] * (length - len(ids)) for ids in sentences])
    from groupvit_export.preprocessor import preprocessings

    spec = preprocessings(DEMO_CHECKPOINT).hf

    def segment(path: Path) -> NDArray[np.uint16]:
        rgb = read_image(path)
        pixels = torch.from_numpy(prepare_whole(rgb, (112, 112), spec))[None]
        with torch.no_grad():
            logits = model(ids, pixels, output_segmentation=True).segmentation_logits
        upsampled = torch.nn.functional.interpolate(logits, size=rgb.shape[:2], mode="bilinear")
        return upsampled[0].argmax(dim=0).numpy().astype(np.uint16)

    return mean_iou(scenes, segment)


def test_the_demo_is_as_good_as_its_card_says(pytorch_miou: float) -> None:
    assert pytorch_miou > 80


def test_every_target_is_as_good_as_pytorch(
    demo_bundles: Mapping[str, Path], scenes, pytorch_miou: float
) -> None:
    for target, bundle in demo_bundles.items():
        segmenter = Segmenter.load(bundle)
        miou = mean_iou(scenes, lambda path, s=segmenter: s(path, DEMO_LABELS).labels)
        print(f"\nmIoU {miou:.3f} by {target}, {pytorch_miou:.3f} by PyTorch, {len(scenes.entries)} scenes")
        assert miou == pytest.approx(pytorch_miou, abs=0.1), target


def test_wrong_colours_would_be_noticed(
    demo_bundles: Mapping[str, Path], scenes, pytorch_miou: float
) -> None:
    segmenter = Segmenter.load(demo_bundles["openvino"])
    swapped = mean_iou(
        scenes,
        lambda path: segmenter(np.ascontiguousarray(read_image(path)[..., ::-1]), DEMO_LABELS).labels,
    )
    assert swapped < pytorch_miou - 20
