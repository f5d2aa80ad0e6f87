"""Scores, groups and abstaining through the C interface, against the Python runtime on the demo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cpp_runtime import CppError, CppSegmenter, Library, Status
from cpp_soft import CppSoft
from PIL import Image

from groupvit_runtime import Segmentation, Segmenter
from groupvit_runtime.read_image import read_image

LABELS = ["house", "car", "tent", "boat", "balloon"]


@pytest.fixture(scope="module")
def bundle(demo_bundles: Mapping[str, Path]) -> Path:
    return demo_bundles["openvino"]


@pytest.fixture(scope="module")
def python(bundle: Path) -> Segmenter:
    return Segmenter.load(bundle)


@pytest.fixture(scope="module")
def cpp(cpp_library: Library, bundle: Path) -> CppSegmenter:
    return CppSegmenter(cpp_library, bundle)


@pytest.fixture(scope="module")
def image(scenes: Any) -> np.ndarray:
    return read_image(Image.open(scenes.image(1)).resize((310, 203)))


CASES: list[dict[str, Any]] = [
    {"labels": LABELS},
    {"labels": LABELS, "threshold": 0.6},
    {"labels": LABELS, "negatives": ["sky", "grass"]},
    {"labels": LABELS, "negatives": ["sky"], "threshold": 0.5},
    {"labels": ["house"], "threshold": 0.5},
    {"labels": ["house"], "negatives": ["sky"]},
    {"labels": LABELS, "decode": "paper", "threshold": 0.4},
    {"labels": LABELS, "decode": "paper", "negatives": ["sky"], "background_threshold": 0.9},
    {"labels": ["house"], "decode": "paper", "threshold": 0.3, "background_threshold": 0.3},
]


@pytest.mark.parametrize("case", CASES)
def test_it_is_the_python_runtimes(
    cpp: CppSegmenter, python: Segmenter, image: np.ndarray, case: dict[str, Any]
) -> None:
    options = dict(case)
    labels, negatives = options.pop("labels"), options.pop("negatives", None)
    theirs = python(image, labels, negatives=negatives, **options)
    words = cpp.encode(labels)
    with CppSoft(
        cpp, image, words, negatives=cpp.encode(negatives) if negatives else None, **options
    ) as mine:
        same_labels(mine, theirs)
        same_scores(mine, theirs)
        same_groups(mine, theirs, stages=len(python.manifest.model.groups))


def same_labels(mine: CppSoft, theirs: Segmentation) -> None:
    assert mine.names == theirs.names
    assert mine.unlabeled == theirs.unlabeled
    assert mine.score_names == theirs.score_names
    np.testing.assert_array_equal(mine.labels, theirs.labels)
    scores = [mine.image_score(index) for index in range(len(theirs.scores))]
    np.testing.assert_allclose(scores, list(theirs.scores.values()), rtol=0, atol=1e-12)
    assert np.isnan(mine.image_score(len(scores)))


def same_scores(mine: CppSoft, theirs: Segmentation) -> None:
    whole = theirs.score_map().transpose(2, 0, 1)
    for first, rows in ((0, len(theirs.labels)), (7, 64), (len(theirs.labels) - 1, 1)):
        np.testing.assert_array_equal(mine.scores(first, rows), whole[:, first : first + rows])
    for index, name in enumerate(theirs.score_names):
        np.testing.assert_array_equal(mine.heatmap(index), theirs.heatmap(name))
    np.testing.assert_array_equal(mine.confidence(), theirs.confidence)
    np.testing.assert_array_equal(mine.coarse_scores(), theirs.coarse_scores().transpose(2, 0, 1))
    if theirs.decode == "hf":
        np.testing.assert_array_equal(mine.logits(), theirs.segmentation_logits())


def same_groups(mine: CppSoft, theirs: Segmentation, *, stages: int) -> None:
    for stage in range(1, stages + 1):
        np.testing.assert_array_equal(mine.groups(stage), theirs.groups(stage))
    np.testing.assert_array_equal(mine.groups(0), theirs.groups())
    words = theirs.group_words(top=len(theirs.score_names))
    background = {"background": 0.0} if theirs.background == 0 else {}
    assert mine.group_words() == tuple({**background, **dict(group)} for group in words)


@pytest.mark.parametrize(
    ("options", "status", "message"),
    [
        ({"threshold": 1.5}, Status.USAGE, "threshold is out of range"),
        ({"threshold": float("nan")}, Status.USAGE, "threshold is out of range"),
        ({"negatives": ["HOUSE"]}, Status.LABEL, "both a label and a negative"),
        (
            {"negatives": ["Background"], "decode": "paper", "background_threshold": 0.5},
            Status.LABEL,
            "background is both a negative",
        ),
    ],
)
def test_what_python_refuses_is_refused(
    cpp: CppSegmenter, image: np.ndarray, options: dict[str, Any], status: Status, message: str
) -> None:
    words = cpp.encode(options.pop("labels", LABELS))
    negatives = cpp.encode(options.pop("negatives")) if "negatives" in options else None
    with pytest.raises(CppError, match=message) as caught:
        CppSoft(cpp, image, words, negatives=negatives, **options)
    assert caught.value.status == status


@pytest.mark.parametrize("options", [{"threshold": 0.5}, {"negatives": ["sky"]}])
def test_a_label_cannot_be_called_unlabeled(
    cpp: CppSegmenter, python: Segmenter, image: np.ndarray, tmp_path: Path, options: dict[str, Any]
) -> None:
    # The demo's tokenizer does not know the word.
    file = tmp_path / "words.safetensors"
    replace(python.vocabulary(LABELS[:2]), names=("house", "Unlabeled")).save(file)
    words = cpp.open_file(file)
    negatives = cpp.encode(options.pop("negatives")) if "negatives" in options else None
    with CppSoft(cpp, image, words) as found:
        assert found.names == ("house", "Unlabeled")
    with pytest.raises(CppError, match="unlabeled is both a label") as caught:
        CppSoft(cpp, image, words, negatives=negatives, **options)
    assert caught.value.status == Status.LABEL
