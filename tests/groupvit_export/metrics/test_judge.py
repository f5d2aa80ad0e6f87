"""Label maps of the judge are the runtime's own, and its figures are right."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from groupvit_export.data.dataset import IGNORE
from groupvit_export.data.images import ImageSet, bundled_images
from groupvit_export.metrics.class_names import embed
from groupvit_export.metrics.decoding import Decoding, RunImage
from groupvit_export.metrics.judge import Judge
from groupvit_export.metrics.precisions import Side, precision_rows
from groupvit_runtime import Segmenter
from groupvit_runtime.contract import IMAGE_INPUT, TEXT_INPUT, TEXT_OUTPUT
from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.manifest import DecodeName, Manifest
from groupvit_runtime.open_bundle import open_bundle
from groupvit_runtime.tokenizer import Tokenizer

LABELS = ("background", "house", "boat", "tree")


def _decoding(manifest: Manifest, decode: DecodeName) -> Decoding:
    model = manifest.model
    return Decoding.of(
        decode, model.image_size, manifest.preprocessing, manifest.decode.paper, model.logit_scale
    )


def _image(bundle: Path) -> RunImage:
    opened = open_bundle(bundle)
    engine = load_engine(opened.manifest.engine("image"), opened.root, EngineOptions())
    return lambda pixels: engine.run({IMAGE_INPUT: np.ascontiguousarray(pixels)})


def _images(truth: bool = False) -> ImageSet:
    scenes = bundled_images(with_truth=truth)
    return scenes.of(sorted(scenes.images)[:2])


@pytest.mark.parametrize("decode", ["hf", "paper"])
def test_label_maps_are_those_of_the_runtime(demo_bundles: Mapping[str, Path], decode: DecodeName) -> None:
    segmenter = Segmenter.load(demo_bundles["onnx"], decode=decode, batch_size=1)
    threshold = 0.35 if decode == "paper" else None
    words = segmenter.vocabulary(LABELS[1:] if threshold else LABELS)
    # Not square, so that there are several windows and something to resize.
    rgb = next(iter(_images().images.values()))[:, :150]
    expected = segmenter(rgb, words, background_threshold=threshold)
    found = _decoding(segmenter.manifest, decode).label_map(
        _image(demo_bundles["onnx"]), words.embeddings, rgb, threshold
    )
    np.testing.assert_array_equal(found, expected.labels)


def test_embeddings_are_those_of_the_runtime(demo_bundles: Mapping[str, Path]) -> None:
    segmenter = Segmenter.load(demo_bundles["onnx"])
    opened = open_bundle(demo_bundles["onnx"])
    model = opened.manifest.model
    tokenizer = Tokenizer(
        opened.root / "tokenizer.json", max_length=model.text_max_length, pad_id=model.text_pad_id
    )
    text = load_engine(opened.manifest.engine("text"), opened.root, EngineOptions())
    found = embed(
        lambda ids: text.run({TEXT_INPUT: ids})[TEXT_OUTPUT], tokenizer, opened.manifest.prompts, LABELS, 3
    )
    np.testing.assert_allclose(found, segmenter.vocabulary(LABELS).embeddings, atol=1e-6)


def _judge(truth: dict[str, np.ndarray] | None, manifest: Manifest) -> Judge:
    rgb = np.zeros((1, 4, 3), np.uint8)
    images = ImageSet({"a": rgb}, truth, LABELS, True, 0.5, "made up")
    return Judge(_decoding(manifest, "hf"), images, LABELS)


def test_figures_against_masks_and_against_fp32(demo_bundles: Mapping[str, Path]) -> None:
    manifest = open_bundle(demo_bundles["onnx"]).manifest
    labels = {"a": np.array([[1, 1, 2, 3]], np.uint16)}
    fp32 = {"a": np.array([[1, 1, 2, 2]], np.uint16)}
    truth = {"a": np.array([[1, 2, IGNORE, 3]], np.uint16)}
    judge = _judge(truth, manifest)
    found = judge.compare(labels, fp32)
    assert found.agreement == 75.0
    # Class 1: 1 of 2; class 2: 0 of 1; class 3: 1 of 1.
    assert found.miou == pytest.approx(50.0)
    assert judge.measured_against == "masks"
    without = _judge(None, manifest)
    # Class 1: 2 of 2; class 2: 1 of 2; class 3: 0 of 1.
    assert without.compare(labels, fp32).miou == pytest.approx(50.0)
    assert without.compare(fp32, fp32).miou == 100.0
    assert without.measured_against == "the label maps of fp32"
    # The hf decode makes no background by a threshold; the paper's encodes no word for it.
    assert judge.words == LABELS
    by_threshold = Judge(_decoding(manifest, "paper"), judge.judged, LABELS)
    assert by_threshold.words == LABELS[1:]


@pytest.mark.slow
def test_rows_name_every_precision(demo_bundles: Mapping[str, Path]) -> None:
    segmenter = Segmenter.load(demo_bundles["onnx"])
    images = _images(truth=True)
    assert images.classes is not None
    judge = Judge(_decoding(segmenter.manifest, "hf"), images, images.classes)
    run = _image(demo_bundles["onnx"])

    def worse(pixels: np.ndarray) -> Mapping[str, np.ndarray]:
        outputs = dict(run(pixels))
        # Groups take each other's place: another class for nearly every pixel.
        return outputs | {"group_embeds": np.ascontiguousarray(np.roll(outputs["group_embeds"], 1, axis=1))}

    shares: list[float] = []
    sides = [
        Side(name, "PASS", image, lambda names: segmenter.vocabulary(names).embeddings, timed)
        for name, image, timed in (("fp32", run, True), ("bf16", run, True), ("int8", worse, False))
    ]
    rows = precision_rows(judge, sides[0], sides[1:], lambda what, share: shares.append(share))
    assert [row.precision for row in rows] == ["fp32", "bf16", "int8"]
    assert rows[0].agreement == rows[1].agreement == 100.0
    assert rows[0].miou is not None and rows[0].miou > 70
    assert rows[2].agreement is not None and rows[2].agreement < 60
    assert rows[2].miou is not None and rows[2].miou < rows[0].miou - 10
    assert [row.latency_ms is None for row in rows] == [False, False, True]
    assert "2 images" in rows[0].detail and "12 classes" in rows[0].detail and "masks" in rows[0].detail
    assert shares[-1] == 1.0 and shares == sorted(shares)
