"""Scores in C++ against the Python runtime, bit by bit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from decoding_support import LOGIT_SCALE, embeddings, seeds, soft_maps
from hypothesis import given, settings
from hypothesis import strategies as st
from image_probe import ImageProbe, Scores, Wanted

from groupvit_runtime.contract import PaperDecode, SlidingWindow
from groupvit_runtime.decode import hf_logits, hf_scores
from groupvit_runtime.exponential import exponential
from groupvit_runtime.group_maps import words_of_groups
from groupvit_runtime.hf_planes import HfPlanes
from groupvit_runtime.paper import paper_average
from groupvit_runtime.paper_planes import PaperPlanes
from groupvit_runtime.score_planes import ScorePlanes
from groupvit_runtime.windows import plan_windows

sides = st.integers(1, 150)
sizes = st.tuples(sides, sides)


class TestExponential:
    def test_is_pythons(self, cpp: ImageProbe) -> None:
        # Every 1,009th float from the smallest to -100, and both sides of where the result is 0.
        bits = np.arange(0x80000000, 0xC2C80000, 1009, dtype=np.uint32)
        edge = np.float32(-87.3)
        values = np.concatenate(
            [bits.view(np.float32), np.array([0, edge, np.nextafter(edge, np.float32(-100))], np.float32)]
        )
        expected = values.copy()
        exponential(expected, (np.empty_like(values), np.empty_like(values)))
        np.testing.assert_array_equal(cpp.exponential(values), expected)

    def test_what_is_smaller_than_any_float_is_zero(self, cpp: ImageProbe) -> None:
        assert cpp.exponential(np.array([-np.inf, -3e38], np.float32)).tolist() == [0, 0]


def wanted_of(draw: st.DrawFn, planes: int, height: int) -> Wanted:
    first = draw(st.integers(0, height - 1))
    return Wanted(first, draw(st.integers(1, height - first)), draw(st.integers(0, planes - 1)))


def check_planes(found: Scores, expected: ScorePlanes, wanted: Wanted) -> None:
    strip = np.empty((expected.count, wanted.rows, expected.size[1]), np.float32)
    plane, best = np.empty(expected.size, np.float32), np.empty(expected.size, np.float32)
    expected.fill(wanted.first, strip)
    expected.fill_plane(wanted.one, 0, plane)
    expected.fill_best(0, best)
    for mine, theirs in zip(found, (strip, plane, best), strict=True):
        np.testing.assert_array_equal(mine, theirs)


class TestHuggingFace:
    @settings(max_examples=150)
    @given(
        st.data(),
        seeds,
        st.integers(1, 30),
        st.integers(1, 12),
        st.tuples(st.integers(1, 20), st.integers(1, 20)),
        sizes,
        st.floats(-5, 8),
    )
    def test_is_pythons(
        self,
        cpp: ImageProbe,
        data: st.DataObject,
        seed: int,
        classes: int,
        groups: int,
        grid: tuple[int, int],
        size: tuple[int, int],
        scale: float,
    ) -> None:
        rng = np.random.default_rng(seed)
        masks = soft_maps(rng, groups, *grid)
        group, text = embeddings(rng, groups, 16), embeddings(rng, classes, 16)
        # Some classes tie.
        text = text[rng.integers(0, classes, classes)]
        pixels = (16 * grid[0], 16 * grid[1])
        scores = hf_scores(masks, group, text)
        wanted = wanted_of(data.draw, classes, size[0])
        found = cpp.hf_score_map(masks, group, text, scale, pixels, size, wanted)
        check_planes(found, HfPlanes(scores, scale, pixels, size), wanted)

        whole = Wanted(0, grid[0], 0)
        coarse = cpp.hf_score_map(masks, group, text, scale, grid, grid, whole).strip
        np.testing.assert_array_equal(coarse, HfPlanes(scores, scale, pixels, size).coarse())

    def test_a_photograph_and_a_large_vocabulary(self, cpp: ImageProbe) -> None:
        rng = np.random.default_rng(0)
        for classes, size in ((21, (480, 640)), (3000, (50, 170))):
            masks, wanted = soft_maps(rng, 8, 14, 14), Wanted(3, 40, classes - 1)
            group, text = embeddings(rng, 8, 256), embeddings(rng, classes, 256)
            found = cpp.hf_score_map(masks, group, text, LOGIT_SCALE, (224, 224), size, wanted)
            planes = HfPlanes(hf_scores(masks, group, text), LOGIT_SCALE, (224, 224), size)
            check_planes(found, planes, wanted)

    @pytest.mark.parametrize("pixels", [(64, 48), (9, 6), (4, 3), (5, 3), (4, 100)])
    def test_logits(self, cpp: ImageProbe, pixels: tuple[int, int]) -> None:
        rng = np.random.default_rng(1)
        arguments = (
            soft_maps(rng, 8, 4, 3),
            embeddings(rng, 8, 32),
            embeddings(rng, 5, 32),
            LOGIT_SCALE,
            pixels,
        )
        np.testing.assert_array_equal(cpp.hf_logits(*arguments), hf_logits(*arguments))


@settings(max_examples=150)
@given(
    st.data(),
    seeds,
    sizes,
    st.integers(1, 12),
    st.integers(1, 6),
    st.one_of(st.none(), st.sampled_from([0.0, 0.35, 1.0])),
    st.integers(1, 6),
    st.integers(6, 48),
)
def test_the_papers_are_pythons(
    cpp: ImageProbe,
    data: st.DataObject,
    seed: int,
    size: tuple[int, int],
    classes: int,
    groups: int,
    threshold: float | None,
    top: int,
    stride: int,
) -> None:
    rng = np.random.default_rng(seed)
    window = SlidingWindow(size=48, stride=stride, long_side_max=120)
    spec = PaperDecode(window=window, background_threshold=threshold, top_classes=top)
    plan = plan_windows(size, window)
    n = len(plan.boxes)
    masks, text = soft_maps(rng, n, groups, 3, 3), embeddings(rng, classes, 16)
    outputs = masks, embeddings(rng, n, groups, 16), embeddings(rng, n, 16), text, LOGIT_SCALE, spec
    average = paper_average(plan, *outputs)
    wanted = wanted_of(data.draw, average.count, size[0])
    check_planes(cpp.paper_score_map(*outputs, size, size, wanted), PaperPlanes(average, size), wanted)

    whole = Wanted(0, plan.size[0], 0)
    coarse = cpp.paper_score_map(*outputs, size, plan.size, whole).strip
    np.testing.assert_array_equal(coarse, PaperPlanes(average, size).coarse())


@pytest.mark.parametrize("max_scale", [100.0, math.inf])
def test_words_of_groups(cpp: ImageProbe, max_scale: float) -> None:
    rng = np.random.default_rng(2)
    groups, text = embeddings(rng, 8, 256), embeddings(rng, 21, 256)
    names = [str(index) for index in range(21)]
    found = cpp.group_scores(groups, text, 5.0, max_scale)
    words = words_of_groups(groups, text, min(math.exp(5.0), max_scale), names, 21)
    for scores, expected in zip(found, words, strict=True):
        assert {names[index]: float(score) for index, score in enumerate(scores)} == dict(expected)
