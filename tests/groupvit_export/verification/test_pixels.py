"""The plain label maps of the verification against the runtime's, which are computed in quite another way."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from groupvit_export.verification.checks.pixels import (
    LabelView,
    PaperBudgets,
    compare_labels,
    hf_grid_scores,
    hf_view,
    paper_view,
)
from groupvit_runtime.contract import PaperDecode, SlidingWindow
from groupvit_runtime.decode import hf_decode
from groupvit_runtime.paper import paper_decode
from groupvit_runtime.windows import plan_windows


def unit(random: np.random.Generator, *shape: int) -> np.ndarray:
    x = random.normal(size=shape)
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def outputs_of(random: np.random.Generator, images: int, groups: int, grid: int) -> dict[str, np.ndarray]:
    soft = random.dirichlet(np.full(groups, 0.4), size=(images, grid, grid)).transpose(0, 3, 1, 2)
    return {
        "masks": np.ascontiguousarray(soft.astype(np.float32)),
        "group_embeds": unit(random, images, groups, 16),
        "image_embeds": unit(random, images, 16),
    }


@pytest.mark.parametrize("size", [(64, 64), (50, 91), (200, 33)])
def test_hf_agrees_with_the_runtime_on_every_safe_pixel(size: tuple[int, int]) -> None:
    random = np.random.default_rng(size)
    outputs, words = outputs_of(random, 1, 6, 8), unit(random, 7, 16)
    labels = hf_decode(outputs["masks"][0], outputs["group_embeds"][0], words, (64, 64), size)
    view = hf_view(hf_grid_scores(outputs, 0, words), (64, 64), size)
    found = compare_labels(labels, view, 1e-6, 7)
    assert found.wrong_safe == 0 and found.at_risk < found.pixels / 100


@pytest.mark.parametrize("size", [(64, 64), (64, 150), (130, 70), (40, 300)])
def test_paper_agrees_with_the_runtime_on_every_safe_pixel(size: tuple[int, int]) -> None:
    random = np.random.default_rng(size)
    window = SlidingWindow(size=64, stride=32, long_side_max=300)
    decode = PaperDecode(window=window, background_threshold=None)
    plan = plan_windows(size, window)
    outputs, words = outputs_of(random, len(plan.boxes), 6, 8), unit(random, 9, 16)
    found = paper_decode(
        plan,
        outputs["masks"],
        outputs["group_embeds"],
        outputs["image_embeds"],
        words,
        2.0,
        decode,
        size,
    )
    view = paper_view(outputs, words, 2.0, decode, plan, size, PaperBudgets(1e-6, 1e-6, 1e-6))
    figures = compare_labels(found.labels, view, 1e-6, 9)
    assert figures.wrong_safe == 0 and figures.at_risk < figures.pixels / 10


def test_a_ranking_at_risk_puts_the_whole_window_at_risk() -> None:
    random = np.random.default_rng(3)
    window = SlidingWindow(size=64, stride=32, long_side_max=64)
    decode = PaperDecode(window=window, background_threshold=None, top_classes=2)
    outputs, words = outputs_of(random, 1, 4, 8), unit(random, 3, 16)
    plan = plan_windows((64, 64), window)
    sure = PaperBudgets(1e-9, 1e-9, 1e-9)
    assert (paper_view(outputs, words, 1.0, decode, plan, (64, 64), sure).margin > 0).any()
    unsure = replace(sure, relevance=10.0)
    assert (paper_view(outputs, words, 1.0, decode, plan, (64, 64), unsure).margin == 0).all()


def test_counts_by_hand() -> None:
    view = LabelView(np.array([[0, 1], [1, 2]]), np.array([[1.0, 1.0], [1e-9, 1.0]]))
    found = compare_labels(np.array([[0, 2], [0, 2]], np.uint16), view, 1e-3, 3)
    assert (found.pixels, found.wrong, found.wrong_safe, found.at_risk) == (4, 2, 1, 1)
    assert found.first == (0, 1)
    np.testing.assert_array_equal(found.intersection, [1, 0, 1])
    np.testing.assert_array_equal(found.union, [2, 2, 2])


def test_one_class_is_always_safe() -> None:
    view = hf_view(np.zeros((1, 2, 2)), (4, 4), (5, 5))
    assert np.isinf(view.margin).all() and (view.labels == 0).all()
