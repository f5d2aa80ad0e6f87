"""Tensors of a request, without a server."""

from __future__ import annotations

import numpy as np
import pytest

from groupvit_runtime.errors import LabelError, UsageError
from groupvit_runtime.triton_server.tensors import arguments_of, outputs_of
from groupvit_runtime.vocabulary import Vocabulary

KNOWN = {"pets": Vocabulary(("cat", "dog"), np.eye(2, dtype=np.float32), ("{}",), "0" * 64)}


def texts(*rows: list[bytes]) -> np.ndarray:
    return np.array(rows, np.object_)


def read(**tensors: np.ndarray) -> list[dict]:
    return arguments_of(tensors, KNOWN, 4)


def test_each_row_of_a_batch_is_an_image_with_words_of_its_own():
    pixels = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3)
    first, second = read(
        pixels=pixels,
        labels=texts([b"a", b"b"], [b"c", "d é".encode()]),
        negatives=texts([b"n"], [b"m"]),
        threshold=np.array([[0.25], [0.5]], np.float32),
    )
    assert np.array_equal(first["image"], pixels[0]) and np.array_equal(second["image"], pixels[1])
    assert (first["labels"], second["labels"]) == (["a", "b"], ["c", "d é"])
    assert (first["negatives"], first["threshold"], second["threshold"]) == (["n"], 0.25, 0.5)
    assert first["decode"] is None and first["background_threshold"] is None


def test_a_vocabulary_by_its_name():
    (one,) = read(image=texts([b"..."]), vocabulary=texts([b"pets"]), decode=texts([b"paper"]))
    assert one["labels"] is KNOWN["pets"] and one["image"] == b"..." and one["decode"] == "paper"
    with pytest.raises(LabelError, match="expected: pets"):
        read(image=texts([b"..."]), vocabulary=texts([b"cars"]))


@pytest.mark.parametrize(
    ("tensors", "error", "message"),
    [
        ({"labels": texts([b"a"])}, UsageError, "image or pixels"),
        (
            {"image": texts([b""]), "pixels": np.zeros((1, 1, 1, 3), np.uint8), "labels": texts([b"a"])},
            UsageError,
            "got: image and pixels",
        ),
        ({"image": texts([b""])}, UsageError, "labels or vocabulary"),
        (
            {"image": texts([b""]), "labels": texts([b"a"]), "vocabulary": texts([b"pets"])},
            UsageError,
            "got: labels and vocabulary",
        ),
        ({"image": texts([b""]), "labels": texts([b"\xff"])}, LabelError, "not UTF-8"),
        ({"image": texts([b""]), "labels": texts([b"a"] * 5)}, LabelError, "at most 4"),
        (
            {"image": texts([b""]), "labels": texts([b"a"] * 3), "negatives": texts([b"b"] * 2)},
            LabelError,
            "got: 5",
        ),
        ({"image": texts([b""]), "labels": texts([b"a"], [b"b"])}, UsageError, "another shape"),
        ({"pixels": np.zeros((4, 4, 3), np.uint8), "labels": texts([b"a"])}, UsageError, "4 dimensions"),
        ({"image": np.zeros((0, 1), np.object_), "labels": texts([b"a"])}, UsageError, "another shape"),
        ({"image": texts([b""]), "labels": np.array([[1]], np.object_)}, UsageError, "no text"),
    ],
)
def test_what_cannot_be_read_is_said(tensors, error, message):
    with pytest.raises(error, match=message):
        arguments_of(tensors, KNOWN, 4)


def test_images_of_several_sizes_are_several_requests(demo_bundles):
    from groupvit_runtime import Segmenter

    segmenter = Segmenter.load(demo_bundles["openvino"])
    images = [np.zeros((h, 8, 3), np.uint8) for h in (8, 9)]
    small, large = segmenter(images, ["water", "sky"], threshold=0.5)
    outputs = outputs_of([small, small])
    assert outputs["label_map"].shape == (2, 8, 8) and outputs["label_map"].dtype == np.uint16
    assert outputs["names"].tolist() == [[b"water", b"sky", b"unlabeled"]] * 2
    assert outputs["scores"][0].tolist() == [
        np.float32(small.scores["water"]),
        np.float32(small.scores["sky"]),
        -1,
    ]
    with pytest.raises(UsageError, match="got: 8x8, 9x8"):
        outputs_of([small, large])
