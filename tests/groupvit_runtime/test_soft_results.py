"""What a result of the demo says beyond its label map: scores, abstaining, groups and their words."""

from __future__ import annotations

import math
import pickle
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tokenizers import Tokenizer
from transformers import GroupViTModel as HFGroupViTModel

from groupvit_export.data.bundled import DEMO_CHECKPOINT
from groupvit_runtime import LabelError, Segmentation, Segmenter, UsageError
from groupvit_runtime.colors import colors_of
from groupvit_runtime.preprocess import prepare_whole
from groupvit_runtime.read_image import read_image

WORDS = ["sky", "water", "grass"]
NEGATIVES = ["mountain", "tree"]


@pytest.fixture(scope="module")
def segmenter(demo_bundles: Mapping[str, Path]) -> Segmenter:
    return Segmenter.load(demo_bundles["onnx"])


@pytest.fixture(params=[("hf", None), ("paper", None), ("paper", 0.5)], ids=lambda p: f"{p[0]}-{p[1]}")
def decode(request: pytest.FixtureRequest) -> dict[str, Any]:
    name, background = request.param
    return {"decode": name, "background_threshold": background}


@pytest.fixture(scope="module")
def image(scenes: Any) -> np.ndarray:
    return read_image(Image.open(scenes.image(1)).resize((301, 203)))


def winners(result: Segmentation) -> np.ndarray:
    return result.score_map().argmax(axis=2)


def test_scores_are_those_of_the_label_map(
    segmenter: Segmenter, image: np.ndarray, decode: dict[str, Any]
) -> None:
    result = segmenter(image, WORDS, **decode)
    scores = result.score_map()
    assert result.unlabeled is None and result.score_names == result.names
    assert scores.shape == (203, 301, len(result.names)) and scores.dtype == np.float32
    np.testing.assert_array_equal(scores.argmax(axis=2), result.labels)
    np.testing.assert_array_equal(scores.max(axis=2), result.confidence)
    for index, name in enumerate(result.score_names):
        np.testing.assert_array_equal(result.heatmap(name), scores[:, :, index])
        assert scores[:, :, index].flags.c_contiguous
    strips = list(result.score_strips(rows=50))
    assert [first for first, _ in strips] == [0, 50, 100, 150, 200]
    np.testing.assert_array_equal(np.concatenate([strip for _, strip in strips]), scores)
    assert result.coarse_scores().shape[2] == len(result.names)
    with pytest.raises(KeyError, match="'a dog' is not one of"):
        result.heatmap("a dog")
    for rows in (0, True, 1.5):
        with pytest.raises(UsageError, match="at least one row"):
            result.score_strips(rows=rows)  # type: ignore[arg-type]


def test_probabilities_are_the_softmax_of_transformers_logits_over_its_scale(
    segmenter: Segmenter, image: np.ndarray
) -> None:
    result = segmenter(image, WORDS, negatives=NEGATIVES)
    model = HFGroupViTModel.from_pretrained(DEMO_CHECKPOINT, dtype=torch.float32).eval()
    manifest = segmenter.manifest
    pixels = prepare_whole(image, manifest.model.image_size, manifest.preprocessing.hf)
    tokenizer = Tokenizer.from_file(str(DEMO_CHECKPOINT / "tokenizer.json"))
    end = tokenizer.token_to_id("<eos>")
    tokenizer.enable_padding(pad_id=end, pad_token="<eos>")
    ids = torch.tensor(
        [e.ids for e in tokenizer.encode_batch([f"a photo of a {name}." for name in WORDS + NEGATIVES])]
    )
    with torch.no_grad():
        out = model(input_ids=ids, pixel_values=torch.from_numpy(pixels)[None], output_segmentation=True)
    logits = out.segmentation_logits[0]
    np.testing.assert_allclose(result.segmentation_logits(), logits, atol=1e-3 * float(logits.abs().max()))
    scale = math.exp(manifest.model.logit_scale)
    resized = torch.nn.functional.interpolate(logits[None].double(), size=image.shape[:2], mode="bilinear")[0]
    expected = (resized / scale).softmax(dim=0).permute(1, 2, 0)
    np.testing.assert_allclose(result.score_map(), expected, atol=1e-3)
    with pytest.raises(UsageError, match="no segmentation logits"):
        segmenter(image, WORDS, decode="paper").segmentation_logits()


def test_negatives_and_what_is_below_the_threshold_are_unlabeled(
    segmenter: Segmenter, image: np.ndarray, decode: dict[str, Any]
) -> None:
    before = np.zeros(image.shape[:2], bool)
    for threshold in (None, 0.0, 0.3, 0.6, 0.9, 1.0):
        result = segmenter(image, WORDS, negatives=NEGATIVES, threshold=threshold, **decode)
        own = ("background", *WORDS) if decode["background_threshold"] else tuple(WORDS)
        assert result.names == (*own, "unlabeled")
        assert result.unlabeled == len(own)
        assert result.score_names == (*own, *NEGATIVES)
        assert list(result.scores) == WORDS and sum(result.scores.values()) < 1
        unlabeled = winners(result) >= len(own)
        if threshold is not None:
            unlabeled |= result.confidence < np.float32(threshold)
        np.testing.assert_array_equal(result.labels, np.where(unlabeled, len(own), winners(result)))
        assert not (before & ~unlabeled).any()
        before = unlabeled
    assert before.any()


def test_negatives_compete_as_labels_do(
    segmenter: Segmenter, image: np.ndarray, decode: dict[str, Any]
) -> None:
    together = segmenter(image, WORDS + NEGATIVES, **decode)
    apart = segmenter(image, segmenter.vocabulary(WORDS), negatives=NEGATIVES, **decode)
    np.testing.assert_array_equal(np.minimum(together.labels, apart.unlabeled), apart.labels)
    np.testing.assert_array_equal(together.score_map(), apart.score_map())
    assert apart.scores.items() <= together.scores.items()


def test_one_word_with_a_threshold_competes_with_the_empty_prompt(
    segmenter: Segmenter, image: np.ndarray
) -> None:
    alone = segmenter(image, ["sky"])
    assert (alone.labels == 0).all() and (alone.confidence == 1).all() and alone.score_names == ("sky",)
    result = segmenter(image, ["sky"], threshold=0.6)
    assert result.score_names == ("sky", "") and result.names == ("sky", "unlabeled")
    assert 0 < np.mean(result.labels == 0) < 1
    assert segmenter(image, ["sky"], threshold=0.6, negatives=["grass"]).score_names == ("sky", "grass")
    assert segmenter(image, ["sky", "grass"], threshold=0.6).score_names == ("sky", "grass")


def test_without_a_tokenizer_one_word_needs_negatives(
    demo_bundles: Mapping[str, Path], image: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = Segmenter.load(demo_bundles["onnx"])
    word, other = segmenter.vocabulary(["sky"]), segmenter.vocabulary(["grass"])
    object.__setattr__(segmenter.manifest, "tokenizer", None)
    with pytest.raises(LabelError, match="negatives"):
        segmenter(image, word, threshold=0.5)
    assert segmenter(image, word, threshold=0.5, negatives=other).unlabeled == 1


@pytest.mark.parametrize("threshold", [-0.1, 1.1, math.nan, math.inf, "0.5", True])
def test_a_threshold_is_a_score(segmenter: Segmenter, image: np.ndarray, threshold: Any) -> None:
    with pytest.raises(UsageError, match="0 to 1"):
        segmenter(image, WORDS, threshold=threshold)


def test_names_that_mean_two_things_are_refused(segmenter: Segmenter, image: np.ndarray) -> None:
    known = segmenter.vocabulary(["grass"])
    named = type(known)(("Unlabeled",), known.embeddings, known.templates, known.fingerprint)
    assert segmenter(image, named).names == ("Unlabeled",)
    with pytest.raises(LabelError, match="unlabeled is both"):
        segmenter(image, named, threshold=0.5, negatives=["sky"])
    with pytest.raises(LabelError, match="both a label and a negative"):
        segmenter(image, WORDS, negatives=["SKY"])
    with pytest.raises(LabelError, match="background is both a negative"):
        segmenter(image, WORDS, negatives=["background"], decode="paper", background_threshold=0.5)
    with pytest.raises(LabelError, match="empty"):
        segmenter(image, WORDS, negatives=[])


def test_groups_of_both_stages_and_their_words(
    segmenter: Segmenter, image: np.ndarray, decode: dict[str, Any]
) -> None:
    result = segmenter(image, WORDS, negatives=NEGATIVES, **decode)
    counts = segmenter.manifest.model.groups
    words = result.group_words(top=2)
    windows = len(words) // counts[-1]
    assert len(words) == windows * counts[-1] and (windows == 1) == (decode["decode"] == "hf")
    for stage, count in enumerate(counts, 1):
        groups = result.groups(stage)
        assert groups.shape == image.shape[:2] and groups.dtype == np.uint16
        assert groups.max() < windows * count
    np.testing.assert_array_equal(result.groups(), result.groups(len(counts)))
    assert len(np.unique(result.groups(1))) > len(np.unique(result.groups()))
    assert {name for pairs in words for name, _ in pairs} <= {*WORDS, *NEGATIVES}
    with pytest.raises(UsageError, match="1 to 2"):
        result.groups(3)


def test_results_with_scores_come_back_from_other_processes(
    segmenter: Segmenter, image: np.ndarray, decode: dict[str, Any]
) -> None:
    result = segmenter(image, WORDS, threshold=0.5, **decode)
    again = pickle.loads(pickle.dumps(result))
    assert again == result
    np.testing.assert_array_equal(again.score_map(), result.score_map())
    np.testing.assert_array_equal(again.groups(1), result.groups(1))
    assert again.group_words() == result.group_words()
    assert segmenter(image, WORDS, threshold=0.4, **decode) != result


def test_pictures(segmenter: Segmenter, image: np.ndarray, decode: dict[str, Any]) -> None:
    result = segmenter(image, WORDS, threshold=0.5, negatives=NEGATIVES, **decode)
    plain = np.asarray(result.overlay(legend=False))
    assert plain.shape == image.shape
    np.testing.assert_array_equal(result.overlay(legend=False, bgr=True), plain[:, :, ::-1])
    unlabeled = result.labels == result.unlabeled
    assert unlabeled.any()
    np.testing.assert_array_equal(plain[unlabeled], image[unlabeled])
    for shown in (
        result.heatmap_overlay("sky"),
        result.confidence_overlay(),
        result.groups_overlay(),
        result.groups_overlay(1),
    ):
        assert shown.width >= 480 and shown.height > 480
    for shown in (
        result.heatmap_overlay("tree", legend=False),
        result.confidence_overlay(legend=False),
        result.groups_overlay(1, legend=False),
    ):
        assert shown.size == image.shape[1::-1]
    file = BytesIO()
    result.save_labels(file)
    with Image.open(file) as written:
        colors = np.asarray(written.getpalette(), np.uint8).reshape(-1, 3)
    assert colors[result.unlabeled].tolist() == [128, 128, 128]
    first = 0 if decode["background_threshold"] is None else 1
    np.testing.assert_array_equal(colors[first : first + 3], colors_of(WORDS))
