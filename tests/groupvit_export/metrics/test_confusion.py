"""Confusion matrices against scikit-learn, and the cases that a mean can get wrong."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sklearn.metrics import confusion_matrix, jaccard_score, recall_score

from groupvit_export.data.dataset import IGNORE
from groupvit_export.errors import GroupViTError
from groupvit_export.metrics.confusion import ConfusionMatrix


@st.composite
def images(draw: st.DrawFn, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Truth with ignored pixels, and a prediction."""
    shape = draw(st.tuples(st.integers(1, 6), st.integers(1, 6)))
    truth = draw(arrays.arrays(np.uint16, shape, elements=st.sampled_from([*range(classes), IGNORE])))
    predicted = draw(arrays.arrays(np.uint16, shape, elements=st.integers(0, classes - 1)))
    return truth, predicted


@st.composite
def matrices(draw: st.DrawFn, classes: int = 3) -> ConfusionMatrix:
    counts = arrays.arrays(np.int64, (classes, classes), elements=st.integers(0, 2**40))
    return ConfusionMatrix(draw(counts))


@pytest.mark.filterwarnings("ignore:A single label was found")
@given(st.integers(1, 7).flatmap(lambda k: st.tuples(st.just(k), images(k))))
def test_counts_and_scores_are_those_of_scikit_learn(case: tuple[int, tuple[np.ndarray, np.ndarray]]) -> None:
    classes, (truth, predicted) = case
    matrix = ConfusionMatrix.of(truth, predicted, classes)
    assert matrix.counts.dtype == np.int64
    counted = truth != IGNORE
    t, p = truth[counted], predicted[counted]
    if not len(t):
        assert not matrix.counts.any()
        return
    np.testing.assert_array_equal(matrix.counts, confusion_matrix(t, p, labels=range(classes)))
    scores = matrix.scores()
    present = sorted({*t.tolist(), *p.tolist()})
    expected = jaccard_score(t, p, labels=present, average=None)
    assert [scores.iou[k] for k in present] == pytest.approx(expected.tolist(), abs=1e-12)
    assert all(scores.iou[k] is None for k in range(classes) if k not in present)
    assert scores.miou == pytest.approx(jaccard_score(t, p, labels=present, average="macro"), abs=1e-12)
    in_truth = sorted(set(t.tolist()))
    recalls = recall_score(t, p, labels=in_truth, average=None)
    assert [scores.accuracy[k] for k in in_truth] == pytest.approx(recalls.tolist(), abs=1e-12)
    assert scores.mean_accuracy == pytest.approx(recalls.mean(), abs=1e-12)
    assert scores.pixel_accuracy == pytest.approx((t == p).mean(), abs=1e-12)
    assert scores.pixels == len(t)
    assert scores.truth_pixels == tuple(np.bincount(t, minlength=classes).tolist())
    assert scores.predicted_pixels == tuple(np.bincount(p, minlength=classes).tolist())


@given(matrices(), matrices(), matrices())
def test_sums_do_not_depend_on_the_order(a: ConfusionMatrix, b: ConfusionMatrix, c: ConfusionMatrix) -> None:
    np.testing.assert_array_equal(((a + b) + c).counts, (c + (b + a)).counts)
    np.testing.assert_array_equal((a + ConfusionMatrix.empty(3)).counts, a.counts)


@given(matrices())
def test_cells_hold_everything(matrix: ConfusionMatrix) -> None:
    assert all(pixels > 0 for _, _, pixels in matrix.cells)
    np.testing.assert_array_equal(ConfusionMatrix.from_cells(matrix.cells, 3).counts, matrix.counts)


@pytest.mark.parametrize(
    "cells", [[(0, 3, 1)], [(-1, 0, 1)], [(0, 0, 0)], [(0, 0, -1)], [(1, 1, 2), (1, 1, 2)]]
)
def test_cells_that_no_matrix_has(cells: list[tuple[int, int, int]]) -> None:
    with pytest.raises(ValueError, match="cell"):
        ConfusionMatrix.from_cells(cells, 3)


def test_by_hand() -> None:
    truth = np.array([[0, 0, 1, 1], [1, IGNORE, 3, 3]], np.uint16)
    predicted = np.array([[0, 1, 1, 1], [2, 2, 3, 0]], np.uint16)
    scores = ConfusionMatrix.of(truth, predicted, 5).scores()
    # 0: 1 of {2 true, 2 predicted}; 1: 2 of {3, 3}; 2: predicted once, never true; 3: 1 of {2, 1}; 4: absent.
    assert scores.iou == (1 / 3, 2 / 4, 0.0, 1 / 2, None)
    assert scores.accuracy == (1 / 2, 2 / 3, None, 1 / 2, None)
    assert scores.miou == pytest.approx((1 / 3 + 1 / 2 + 0 + 1 / 2) / 4)
    assert scores.mean_accuracy == pytest.approx((1 / 2 + 2 / 3 + 1 / 2) / 3)
    assert scores.pixel_accuracy == 4 / 7
    assert scores.pixels == 7
    assert scores.subset_miou([0, 3, 4]) == pytest.approx((1 / 3 + 1 / 2) / 2)
    assert scores.subset_miou([4]) is None


def test_all_background() -> None:
    zeros = np.zeros((4, 4), np.uint16)
    scores = ConfusionMatrix.of(zeros, zeros, 3).scores()
    assert scores.iou == (1.0, None, None)
    assert scores.miou == scores.pixel_accuracy == scores.mean_accuracy == 1.0


def test_nothing_but_ignored_pixels() -> None:
    truth = np.full((3, 2), IGNORE, np.uint16)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scores = ConfusionMatrix.of(truth, np.ones((3, 2), np.uint16), 2).scores()
    assert scores.iou == scores.accuracy == (None, None)
    assert (scores.miou, scores.pixel_accuracy, scores.mean_accuracy) == (None, None, None)
    assert scores.pixels == 0


def test_a_prediction_on_an_ignored_pixel_counts_nowhere() -> None:
    truth = np.array([[0, IGNORE]], np.uint16)
    scores = ConfusionMatrix.of(truth, np.array([[0, 1]], np.uint16), 2).scores()
    assert scores.iou == (1.0, None)


@pytest.mark.parametrize(
    ("truth", "predicted", "what"),
    [
        ([[0, 2]], [[0, 0]], "the truth has a value that is no class"),
        ([[0, 0]], [[0, 2]], "the prediction has a value that is no class"),
        ([[0, IGNORE]], [[0, 2]], "the prediction has a value that is no class"),
        ([[0, 0]], [[0, IGNORE]], "the prediction has a value that is no class"),
        ([[0, 0]], [[0], [0]], "of different sizes"),
    ],
)
def test_what_is_no_class_is_refused(truth: list, predicted: list, what: str) -> None:
    with pytest.raises(GroupViTError, match=what):
        ConfusionMatrix.of(np.array(truth, np.uint16), np.array(predicted, np.uint16), 2)


def test_counts_beyond_32_bits() -> None:
    large = ConfusionMatrix(np.full((2, 2), 2**40, np.int64))
    assert (large + large).scores().pixels == 2**43


def test_shared_counts_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        ConfusionMatrix.empty(2).counts[0, 0] = 1
