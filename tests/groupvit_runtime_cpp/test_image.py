"""Preprocessing in C++ against the Python runtime, bit by bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from decoding_support import seeds
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from image_probe import ImageProbe
from PIL import Image

from groupvit_export.data.bundled import DEMO_SCENES
from groupvit_runtime.contract import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocessing,
    ResizeFilter,
    SlidingWindow,
)
from groupvit_runtime.preprocess import prepare_whole, prepare_windows, resize_image
from groupvit_runtime.resize import composed_matrix, linear_taps
from groupvit_runtime.windows import plan_windows

SCENES = sorted((DEMO_SCENES / "images").glob("*.jpg"))
WHOLE = Preprocessing(resize="whole", antialias=True, mean=CLIP_MEAN, std=CLIP_STD)
SHORT_SIDE = Preprocessing(
    resize="short_side", filter="opencv_bilinear", antialias=False, mean=IMAGENET_MEAN, std=IMAGENET_STD
)
WITHOUT_ANTIALIASING = ("nearest", "opencv_bilinear")
PILLOWS = tuple(name for name in get_args(ResizeFilter) if name != "opencv_bilinear")
PUBLISHED = SlidingWindow(size=448, stride=224, long_side_max=2048)

sides = st.integers(1, 120)
sizes = st.tuples(sides, sides)


def noise(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def extremes(size: tuple[int, int], seed: int) -> np.ndarray:
    """Black and white only, which drives filters with negative lobes beyond 0 and 255."""
    return noise(size, seed) // 128 * np.uint8(255)


specs = st.builds(
    lambda filter, plain, order, mean, std, rescale: Preprocessing(
        resize="whole",
        antialias=filter not in WITHOUT_ANTIALIASING and not (plain and filter == "bilinear"),
        filter=filter,
        color_order=order,
        mean=mean,
        std=std,
        rescale=rescale,
    ),
    st.sampled_from(get_args(ResizeFilter)),
    st.booleans(),
    st.sampled_from(["RGB", "BGR"]),
    st.tuples(*[st.floats(-2, 2)] * 3),
    st.tuples(*[st.floats(0.01, 3)] * 3),
    st.sampled_from([1 / 255, 1.0, 1 / 127.5]),
)


class TestTaps:
    @given(st.integers(1, 3000), st.integers(1, 3000))
    def test_taps(self, cpp: ImageProbe, src: int, dst: int) -> None:
        for mine, theirs in zip(cpp.taps(src, dst), linear_taps(src, dst), strict=True):
            np.testing.assert_array_equal(mine, theirs)

    @given(sides, sides, sides)
    def test_composition(self, cpp: ImageProbe, src: int, middle: int, dst: int) -> None:
        np.testing.assert_array_equal(
            cpp.composed_matrix(src, middle, dst), composed_matrix(src, middle, dst)
        )

    @pytest.mark.parametrize("grid", [14, 20, 28, 32])
    @pytest.mark.parametrize("dst", [112, 224, 333, 448, 480, 640, 1280, 1920])
    def test_composition_at_real_sizes(self, cpp: ImageProbe, grid: int, dst: int) -> None:
        np.testing.assert_array_equal(
            cpp.composed_matrix(grid, 16 * grid, dst), composed_matrix(grid, 16 * grid, dst)
        )


class TestPreprocessing:
    @settings(max_examples=150)
    @given(sizes, sizes, specs, seeds, st.sampled_from([noise, extremes]))
    def test_resize(
        self,
        cpp: ImageProbe,
        size: tuple[int, int],
        to: tuple[int, int],
        spec: Preprocessing,
        seed: int,
        make: Callable[..., np.ndarray],
    ) -> None:
        image = make(size, seed)
        np.testing.assert_array_equal(cpp.resize_image(image, to, spec), resize_image(image, to, spec))

    @pytest.mark.parametrize("name", PILLOWS)
    @pytest.mark.parametrize(
        ("size", "to"),
        [
            ((480, 640), (224, 224)),
            ((224, 640), (224, 224)),  # across only
            ((640, 224), (224, 224)),  # down only
            ((1, 3000), (224, 7)),
            ((3000, 1), (1, 224)),
            ((2, 2), (448, 512)),
            ((1080, 1920), (448, 796)),
            ((2000, 600), (224, 224)),  # Pillow 13 alone would shrink the height first
        ],
    )
    def test_resize_is_pillows(
        self, cpp: ImageProbe, name: ResizeFilter, size: tuple[int, int], to: tuple[int, int]
    ) -> None:
        spec = Preprocessing(
            resize="whole", antialias=name != "nearest", filter=name, mean=CLIP_MEAN, std=CLIP_STD
        )
        for image in (noise(size), extremes(size, 1)):
            filter = Image.Resampling[name.upper()]
            expected = Image.fromarray(image).resize((to[1], size[0]), filter).resize(to[::-1], filter)
            np.testing.assert_array_equal(cpp.resize_image(image, to, spec), expected)

    @given(sizes, sizes, specs, seeds)
    def test_prepare_whole(
        self,
        cpp: ImageProbe,
        size: tuple[int, int],
        to: tuple[int, int],
        spec: Preprocessing,
        seed: int,
    ) -> None:
        image = noise(size, seed)
        np.testing.assert_array_equal(cpp.prepare_whole(image, to, spec), prepare_whole(image, to, spec))

    @pytest.mark.parametrize("spec", [WHOLE, SHORT_SIDE], ids=["antialiased", "two taps"])
    def test_twenty_photograph_sized_images(self, cpp: ImageProbe, spec: Preprocessing) -> None:
        rng = np.random.default_rng(20)
        for seed, size in enumerate(rng.integers(300, 1600, (20, 2)).tolist()):
            image = noise((size[0], size[1]), seed)
            np.testing.assert_array_equal(
                cpp.prepare_whole(image, (224, 224), spec), prepare_whole(image, (224, 224), spec)
            )

    def test_sample_scenes(self, cpp: ImageProbe) -> None:
        assert SCENES
        for path in SCENES:
            check_preparing(cpp, path)

    def test_small_scenes(self, cpp: ImageProbe) -> None:
        for path in SCENES:
            check_preparing(cpp, path, side=112)


def check_preparing(cpp: ImageProbe, path: Path, side: int = 224) -> None:
    with Image.open(path) as opened:
        image = np.asarray(opened.convert("RGB").resize((side, side)))
    np.testing.assert_array_equal(
        cpp.prepare_whole(image, (224, 224), WHOLE), prepare_whole(image, (224, 224), WHOLE)
    )
    window = SlidingWindow(size=224, stride=112, long_side_max=1024)
    plan = plan_windows((image.shape[0], image.shape[1]), window)
    np.testing.assert_array_equal(
        cpp.prepare_windows(image, SHORT_SIDE, window), prepare_windows(image, SHORT_SIDE, plan)
    )


@st.composite
def sliding_windows(draw: st.DrawFn) -> SlidingWindow:
    size = draw(st.integers(1, 64))
    return SlidingWindow(
        size=size,
        stride=draw(st.integers(max(size // 4, 1), size)),
        long_side_max=draw(st.integers(size, 200)),
    )


class TestWindows:
    @given(st.tuples(st.integers(1, 5000), st.integers(1, 5000)), sliding_windows())
    def test_plan(self, cpp: ImageProbe, size: tuple[int, int], window: SlidingWindow) -> None:
        assert cpp.plan_windows(size, window) == plan_windows(size, window)

    @given(sizes, sliding_windows(), specs, seeds)
    def test_prepare_windows(
        self,
        cpp: ImageProbe,
        size: tuple[int, int],
        window: SlidingWindow,
        spec: Preprocessing,
        seed: int,
    ) -> None:
        plan = plan_windows(size, window)
        assume(len(plan.boxes) <= 100)
        image = noise(size, seed)
        np.testing.assert_array_equal(
            cpp.prepare_windows(image, spec, window), prepare_windows(image, spec, plan)
        )

    @pytest.mark.parametrize("size", [(480, 640), (720, 1280), (1, 10_000), (3000, 1), (448, 448)])
    def test_published_windows(self, cpp: ImageProbe, size: tuple[int, int]) -> None:
        image = noise(size)
        plan = plan_windows(size, PUBLISHED)
        np.testing.assert_array_equal(
            cpp.prepare_windows(image, SHORT_SIDE, PUBLISHED), prepare_windows(image, SHORT_SIDE, plan)
        )
