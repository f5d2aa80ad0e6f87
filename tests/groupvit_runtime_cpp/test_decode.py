"""Decoding in C++ against the Python runtime, bit by bit."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from decoding_support import LOGIT_SCALE, embeddings, seeds, soft_maps
from hypothesis import given, settings
from hypothesis import strategies as st
from image_probe import ImageProbe

from groupvit_runtime.contract import (
    PaperDecode,
    SlidingWindow,
)
from groupvit_runtime.decode import hf_decode, hf_groups
from groupvit_runtime.errors import EngineError, ImageError, LabelError
from groupvit_runtime.paper import paper_affinity, paper_decode
from groupvit_runtime.upsampled_argmax import upsampled_argmax
from groupvit_runtime.window_groups import window_groups
from groupvit_runtime.windows import plan_windows

PUBLISHED = SlidingWindow(size=448, stride=224, long_side_max=2048)

sides = st.integers(1, 120)
sizes = st.tuples(sides, sides)


def some_scores(kind: str, seed: int, shape: tuple[int, ...]) -> np.ndarray:
    rng = np.random.default_rng(seed)
    scores = {
        "smooth": lambda: rng.standard_normal(shape),
        # Few values, so that ties abound.
        "integers": lambda: rng.integers(-1, 2, shape),
        "equal": lambda: np.broadcast_to(rng.standard_normal(shape[1:]), shape),
        "nearly equal": lambda: 0.1 + 1e-7 * rng.standard_normal(shape),
        # Three leaders within rounding, and others far below.
        "close leaders": lambda: (
            rng.standard_normal(shape[1:])
            + np.where(np.arange(shape[0])[:, None, None] % 3 == 0, 1e-7 * rng.standard_normal(shape), -2)
        ),
    }[kind]()
    return np.ascontiguousarray(scores, np.float32)


class TestUpsampledArgmax:
    @settings(max_examples=150)
    @given(
        seeds,
        st.integers(1, 12),
        st.tuples(st.integers(1, 6), st.integers(1, 6)),
        sizes,
        st.one_of(st.none(), sizes),
        st.sampled_from(["smooth", "integers", "equal", "nearly equal", "close leaders"]),
    )
    def test_is_pythons(
        self,
        cpp: ImageProbe,
        seed: int,
        channels: int,
        grid: tuple[int, int],
        size: tuple[int, int],
        through: tuple[int, int] | None,
        kind: str,
    ) -> None:
        scores = some_scores(kind, seed, (channels, *grid))
        np.testing.assert_array_equal(
            cpp.upsampled_argmax(scores, size, through=through),
            upsampled_argmax(scores, size, through=through),
        )

    @pytest.mark.parametrize("channels", [1, 2, 21, 171, 300])
    @pytest.mark.parametrize("size", [(240, 333), (480, 640), (100, 90), (1, 700)])
    def test_real_sizes(self, cpp: ImageProbe, channels: int, size: tuple[int, int]) -> None:
        rng = np.random.default_rng(channels)
        mixture = np.einsum("kg,gyx->kyx", rng.standard_normal((channels, 8)), soft_maps(rng, 8, 14, 14))
        scores = mixture.astype(np.float32)
        np.testing.assert_array_equal(
            cpp.upsampled_argmax(scores, size, through=(224, 224)),
            upsampled_argmax(scores, size, through=(224, 224)),
        )

    def test_the_largest_vocabulary(self, cpp: ImageProbe) -> None:
        scores = np.random.default_rng(0).standard_normal((65_535, 2, 3)).astype(np.float32)
        result = cpp.upsampled_argmax(scores, (20, 40), through=(32, 48))
        assert result.max() > 60_000
        np.testing.assert_array_equal(result, upsampled_argmax(scores, (20, 40), through=(32, 48)))

    @pytest.mark.parametrize(
        ("near", "far", "other"),
        [((0.5, 0.9), (5e-5, 0), (0.8, 0.1)), ((0.49999997, 0.8), (0, 5e-5), (0.1, 0.95))],
    )
    @pytest.mark.parametrize("down", [True, False])
    def test_a_tie_close_to_a_node(
        self,
        cpp: ImageProbe,
        near: tuple[float, float],
        far: tuple[float, float],
        other: tuple[float, float],
        down: bool,
    ) -> None:
        winner = np.array(near, np.float32)
        loser = np.nextafter(winner, np.float32(0)) - np.array(far, np.float32)
        scores = np.stack([loser, winner, np.array(other, np.float32)])
        scores, size = (scores[:, :, None], (40_000, 1)) if down else (scores[:, None], (1, 40_000))
        result = cpp.upsampled_argmax(scores, size)
        assert set(np.unique(result)) == {0, 1, 2}
        np.testing.assert_array_equal(result, upsampled_argmax(scores, size))


class TestHuggingFace:
    @settings(max_examples=80)
    @given(
        seeds,
        st.integers(1, 60),
        st.integers(1, 64),
        st.integers(1, 300),
        st.tuples(st.integers(1, 20), st.integers(1, 20)),
        sizes,
    )
    def test_is_pythons(
        self,
        cpp: ImageProbe,
        seed: int,
        classes: int,
        groups: int,
        width: int,
        grid: tuple[int, int],
        size: tuple[int, int],
    ) -> None:
        rng = np.random.default_rng(seed)
        masks = soft_maps(rng, groups, *grid)
        group, text = embeddings(rng, groups, width), embeddings(rng, classes, width)
        pixels = (16 * grid[0], 16 * grid[1])
        np.testing.assert_array_equal(
            cpp.hf_decode(masks, group, text, pixels, size), hf_decode(masks, group, text, pixels, size)
        )
        np.testing.assert_array_equal(cpp.hf_groups(masks, pixels, size), hf_groups(masks, pixels, size))

    def test_twenty_photograph_sized_images(self, cpp: ImageProbe) -> None:
        for seed in range(20):
            rng = np.random.default_rng(seed)
            size = tuple(rng.integers(300, 1000, 2).tolist())
            masks = soft_maps(rng, 8, 14, 14, sharpness=rng.uniform(0.1, 4))
            group, text = embeddings(rng, 8, 256), embeddings(rng, 21, 256)
            np.testing.assert_array_equal(
                cpp.hf_decode(masks, group, text, (224, 224), size),
                hf_decode(masks, group, text, (224, 224), size),
            )


def decode(**changes: Any) -> PaperDecode:
    fields: dict[str, Any] = {
        "window": SlidingWindow(size=48, stride=24, long_side_max=160),
        "background_threshold": None,
        **changes,
    }
    return PaperDecode(**fields)


class TestPaper:
    @settings(max_examples=80)
    @given(seeds, st.integers(1, 40), st.integers(1, 9), st.integers(1, 50), st.floats(-2, 6))
    def test_affinity(
        self, cpp: ImageProbe, seed: int, classes: int, groups: int, top: int, scale: float
    ) -> None:
        rng = np.random.default_rng(seed)
        arguments = embeddings(rng, groups, 32), embeddings(rng, 32), embeddings(rng, classes, 32), scale
        settings = decode(top_classes=top)
        np.testing.assert_array_equal(
            cpp.paper_affinity(*arguments, settings), paper_affinity(*arguments, settings)
        )

    def test_equally_relevant_classes_are_kept_from_the_lowest(self, cpp: ImageProbe) -> None:
        text = np.repeat(embeddings(np.random.default_rng(0), 1, 16), 7, axis=0)
        result = cpp.paper_affinity(text[:2].copy(), text[0].copy(), text, 1.0, decode(top_classes=3))
        assert result.any(axis=0).tolist() == [True] * 3 + [False] * 4

    @settings(max_examples=100)
    @given(
        seeds,
        sizes,
        st.integers(1, 12),
        st.integers(1, 6),
        st.one_of(st.none(), st.sampled_from([0.0, 0.35, 0.95, 1.0])),
        st.integers(1, 6),
        st.integers(6, 48),
        st.sampled_from(["sharp", "flat", "equal"]),
    )
    def test_is_pythons(
        self,
        cpp: ImageProbe,
        seed: int,
        size: tuple[int, int],
        classes: int,
        groups: int,
        threshold: float | None,
        top: int,
        stride: int,
        kind: str,
    ) -> None:
        window = SlidingWindow(size=48, stride=stride, long_side_max=120)
        spec = decode(window=window, background_threshold=threshold, top_classes=top)
        check_paper(cpp, seed, size, classes, groups, (3, 3), spec, kind)

    @pytest.mark.parametrize("threshold", [None, 0.35, 0.95])
    @pytest.mark.parametrize(
        ("size", "classes"),
        [((480, 640), 21), ((720, 400), 59), ((100, 100), 3), ((1, 200), 21), ((300, 1400), 171)],
    )
    def test_at_the_published_window(
        self, cpp: ImageProbe, size: tuple[int, int], classes: int, threshold: float | None
    ) -> None:
        spec = decode(window=PUBLISHED, background_threshold=threshold)
        check_paper(cpp, 7, size, classes, 8, (28, 28), spec, "sharp")

    def test_more_windows_than_the_label_map_can_number(self, cpp: ImageProbe) -> None:
        window = SlidingWindow(size=2, stride=1, long_side_max=1100)
        count = len(plan_windows((2, 1100), window).boxes)
        masks = np.ones((count, 64, 1, 1), np.float32)
        groups, images = np.ones((count, 64, 1), np.float32), np.ones((count, 1), np.float32)
        with pytest.raises(ImageError, match="16 bits"):
            cpp.window_groups(masks, groups, images, window, (2, 1100))

    @pytest.mark.parametrize("max_scale", [100.0, math.inf])
    def test_class_scores(self, cpp: ImageProbe, max_scale: float) -> None:
        rng = np.random.default_rng(0)
        images, text = embeddings(rng, 3, 256), embeddings(rng, 21, 256)
        logits = images.astype(np.float64) @ text.T.astype(np.float64) * min(math.exp(5.0), max_scale)
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        expected = (powers / powers.sum(axis=1, keepdims=True)).mean(axis=0)
        np.testing.assert_allclose(cpp.class_scores(images, text, 5.0, max_scale), expected, rtol=1e-12)


def check_paper(
    cpp: ImageProbe,
    seed: int,
    size: tuple[int, int],
    classes: int,
    groups: int,
    grid: tuple[int, int],
    spec: PaperDecode,
    kind: str,
) -> None:
    rng = np.random.default_rng(seed)
    plan = plan_windows(size, spec.window)
    n = len(plan.boxes)
    text = embeddings(rng, classes, 32)
    near = embeddings(rng, n, groups, 32) + text[rng.integers(0, classes, (n, groups))]
    near = (near / np.linalg.norm(near, axis=-1, keepdims=True)).astype(np.float32)
    if kind == "equal":
        # Every group is worth the same for two classes: ties everywhere.
        text[:] = text[np.arange(classes) // 2]
    masks = soft_maps(rng, n, groups, *grid, sharpness=2.0 if kind == "sharp" else 0.01)
    images = embeddings(rng, n, 32)
    labels, background = cpp.paper_decode(masks, near, images, text, LOGIT_SCALE, spec, size)
    expected = paper_decode(plan, masks, near, images, text, LOGIT_SCALE, spec, size)
    assert background == expected.background
    np.testing.assert_array_equal(labels, expected.labels)
    np.testing.assert_array_equal(
        cpp.window_groups(masks, near, images, spec.window, size), window_groups(plan, masks, size)
    )


class TestRefusals:
    @staticmethod
    def arrays() -> dict[str, np.ndarray]:
        rng = np.random.default_rng(0)
        return {
            "masks": soft_maps(rng, 8, 4, 4),
            "groups": embeddings(rng, 8, 16),
            "text": embeddings(rng, 5, 16),
        }

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize(
        ("name", "error"), [("masks", EngineError), ("groups", EngineError), ("text", LabelError)]
    )
    def test_values_that_are_not_finite(
        self, cpp: ImageProbe, name: str, error: type[Exception], value: float
    ) -> None:
        arrays = self.arrays()
        arrays[name].reshape(-1)[-1] = value
        with pytest.raises(error, match="infinite"):
            cpp.hf_decode(**arrays, pixel_size=(64, 64), size=(10, 10))
        if name == "masks":
            with pytest.raises(error, match="infinite"):
                cpp.hf_groups(arrays["masks"], (64, 64), (10, 10))
        # Of a window the image's embedding counts as well.
        window = SlidingWindow(size=64, stride=32, long_side_max=64)
        images = np.full((1, 16), value if name == "groups" else 0.25, np.float32)
        stacked = (arrays["masks"][None], arrays["groups"][None], images)
        with pytest.raises(error, match="infinite"):
            cpp.paper_decode(*stacked, arrays["text"], 1.0, decode(window=window), (10, 10))

    @pytest.mark.parametrize("shape", [(0, 16), (4, 15), (65_536, 16)])
    def test_classes(self, cpp: ImageProbe, shape: tuple[int, int]) -> None:
        arrays = self.arrays() | {"text": np.zeros(shape, np.float32)}
        with pytest.raises(LabelError, match="do not fit"):
            cpp.hf_decode(**arrays, pixel_size=(64, 64), size=(10, 10))

    @pytest.mark.parametrize(("name", "shape"), [("masks", (8, 0, 4)), ("groups", (8, 0))])
    def test_empty_outputs(self, cpp: ImageProbe, name: str, shape: tuple[int, ...]) -> None:
        arrays = self.arrays() | {name: np.zeros(shape, np.float32)}
        with pytest.raises(EngineError, match="cannot be decoded"):
            cpp.hf_decode(**arrays, pixel_size=(64, 64), size=(10, 10))

    def test_windows_without_outputs(self, cpp: ImageProbe) -> None:
        rng = np.random.default_rng(0)
        masks, groups, images = soft_maps(rng, 1, 3, 2, 2), embeddings(rng, 1, 3, 8), embeddings(rng, 1, 8)
        with pytest.raises(EngineError, match="do not fit the windows"):
            cpp.paper_decode(masks, groups, images, embeddings(rng, 2, 8), 1.0, decode(), (48, 160))
