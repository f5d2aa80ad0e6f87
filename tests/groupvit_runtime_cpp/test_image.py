"""Preprocessing and decoding in C++ against the Python runtime, bit by bit."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from decoding_support import LOGIT_SCALE, embeddings, seeds, soft_maps
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
    PaperDecode,
    Preprocessing,
    ResizeFilter,
    SlidingWindow,
)
from groupvit_runtime.decode import hf_decode, hf_groups
from groupvit_runtime.errors import EngineError, ImageError, LabelError
from groupvit_runtime.paper import paper_affinity, paper_decode
from groupvit_runtime.preprocess import prepare_whole, prepare_windows, resize_image
from groupvit_runtime.resize import composed_matrix, linear_taps
from groupvit_runtime.upsampled_argmax import upsampled_argmax
from groupvit_runtime.window_groups import window_groups
from groupvit_runtime.windows import plan_windows

SCENES = sorted((DEMO_SCENES / "images").glob("*.jpg"))
WHOLE = Preprocessing(resize="whole", antialias=True, mean=CLIP_MEAN, std=CLIP_STD)
SHORT_SIDE = Preprocessing(resize="short_side", antialias=False, mean=IMAGENET_MEAN, std=IMAGENET_STD)
PUBLISHED = SlidingWindow(size=448, stride=224, long_side_max=2048)

sides = st.integers(1, 120)
sizes = st.tuples(sides, sides)


@pytest.fixture(scope="session")
def cpp(cpp_build: Callable[[str], Path]) -> ImageProbe:
    return ImageProbe(cpp_build("groupvit_image_probe") / "libgroupvit_image_probe.so")


def noise(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def extremes(size: tuple[int, int], seed: int) -> np.ndarray:
    """Black and white only, which drives filters with negative lobes beyond 0 and 255."""
    return noise(size, seed) // 128 * np.uint8(255)


specs = st.builds(
    lambda filter, plain, order, mean, std, rescale: Preprocessing(
        resize="whole",
        antialias=filter != "nearest" and not (plain and filter == "bilinear"),
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
    @settings(max_examples=400)
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

    @pytest.mark.parametrize("name", get_args(ResizeFilter))
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
    @settings(max_examples=500)
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
    @settings(max_examples=200)
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
    @settings(max_examples=200)
    @given(seeds, st.integers(1, 40), st.integers(1, 9), st.integers(1, 50), st.floats(-2, 6))
    def test_affinity(
        self, cpp: ImageProbe, seed: int, classes: int, groups: int, top: int, scale: float
    ) -> None:
        rng = np.random.default_rng(seed)
        arguments = embeddings(rng, groups, 32), embeddings(rng, 32), embeddings(rng, classes, 32), scale
        settings = decode(top_classes=top)
        # Summed in float64 in an order of NumPy's choice, with an exponential of its own, then rounded.
        np.testing.assert_array_max_ulp(
            cpp.paper_affinity(*arguments, settings), paper_affinity(*arguments, settings), maxulp=1
        )

    def test_equally_relevant_classes_are_kept_from_the_lowest(self, cpp: ImageProbe) -> None:
        text = np.repeat(embeddings(np.random.default_rng(0), 1, 16), 7, axis=0)
        result = cpp.paper_affinity(text[:2].copy(), text[0].copy(), text, 1.0, decode(top_classes=3))
        assert result.any(axis=0).tolist() == [True] * 3 + [False] * 4

    @settings(max_examples=300)
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
