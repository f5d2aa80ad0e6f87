"""Reading images, and turning them into tensors, against Pillow, PyTorch and transformers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import skimage.data
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from groupvit_runtime.contract import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    Preprocessing,
    SlidingWindow,
)
from groupvit_runtime.preprocess import prepare_whole, prepare_windows, resize_image
from groupvit_runtime.windows import plan_windows

WHOLE = Preprocessing(resize="whole", antialias=True, mean=CLIP_MEAN, std=CLIP_STD)
SHORT_SIDE = Preprocessing(resize="short_side", antialias=False, mean=IMAGENET_MEAN, std=IMAGENET_STD)
PLAIN: dict[str, Any] = {"mean": (0.0, 0.0, 0.0), "std": (1.0, 1.0, 1.0), "rescale": 1.0}
WINDOW = SlidingWindow(size=448, stride=224, long_side_max=2048)
PIL_FILTERS = {"nearest": 0, "lanczos": 1, "bilinear": 2, "bicubic": 3, "box": 4, "hamming": 5}


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    return skimage.data.chelsea()


class TestPrepareWhole:
    @pytest.mark.parametrize("name", ["bilinear", "bicubic", "lanczos", "nearest", "box", "hamming"])
    @pytest.mark.parametrize("size", [(224, 224), (112, 112), (320, 512)])
    def test_is_transformers_image_processor(self, name: Any, size: tuple[int, int], cat: np.ndarray) -> None:
        processor = CLIPImageProcessorPil(
            size={"height": size[0], "width": size[1]},
            do_center_crop=False,
            resample=PIL_FILTERS[name],
            image_mean=list(CLIP_MEAN),
            image_std=list(CLIP_STD),
        )
        expected = processor(Image.fromarray(cat), return_tensors="np")["pixel_values"][0]
        spec = Preprocessing(
            resize="whole", antialias=name != "nearest", filter=name, mean=CLIP_MEAN, std=CLIP_STD
        )
        result = prepare_whole(cat, size, spec)
        assert result.dtype == np.float32
        assert result.shape == (3, *size)
        np.testing.assert_allclose(result, expected, atol=1e-6, rtol=0)

    def test_the_horizontal_pass_comes_first(self) -> None:
        image = noise(600, 40)
        narrow = Image.fromarray(image).resize((30, 600), Image.Resampling.BICUBIC)
        expected = narrow.resize((30, 20), Image.Resampling.BICUBIC)
        spec = Preprocessing(resize="whole", antialias=True, filter="bicubic", mean=CLIP_MEAN, std=CLIP_STD)
        np.testing.assert_array_equal(resize_image(image, (20, 30), spec), expected)

    def test_values_are_rounded_once(self) -> None:
        image = np.repeat(np.arange(256, dtype=np.uint8).reshape(16, 16, 1), 3, axis=2)
        result = prepare_whole(image, (16, 16), WHOLE)
        for channel in range(3):
            exact = (np.arange(256) * WHOLE.rescale - CLIP_MEAN[channel]) / CLIP_STD[channel]
            np.testing.assert_array_equal(result[channel].ravel(), exact.astype(np.float32))

    def test_bgr(self, cat: np.ndarray) -> None:
        bgr = Preprocessing(resize="whole", antialias=True, color_order="BGR", mean=CLIP_MEAN, std=CLIP_STD)
        np.testing.assert_array_equal(
            prepare_whole(cat, (32, 48), bgr), prepare_whole(cat[:, :, ::-1].copy(), (32, 48), WHOLE)
        )

    @pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (2, 3)])
    def test_tiny_images(self, size: tuple[int, int]) -> None:
        result = prepare_whole(np.full((*size, 3), 51, np.uint8), (224, 224), WHOLE)
        expected = (0.2 - np.array(CLIP_MEAN)) / np.array(CLIP_STD)
        np.testing.assert_allclose(result, np.broadcast_to(expected[:, None, None], result.shape), atol=1e-6)


sides = st.integers(1, 120)


class TestTwoTapResize:
    @settings(deadline=None)
    @given(sides, sides, sides, sides, st.integers(0, 1000))
    def test_is_torchs_rounded(self, height: int, width: int, h: int, w: int, seed: int) -> None:
        image = noise(height, width, seed)
        tensor = torch.from_numpy(image).permute(2, 0, 1)[None].double()
        resized = F.interpolate(tensor, size=(h, w), mode="bilinear", align_corners=False)
        exact = resized[0].permute(1, 2, 0).numpy()
        result = resize_image(image, (h, w), SHORT_SIDE)
        assert result.dtype == np.uint8
        # Float32 may tip a value that lies on a half to either side, and no other.
        np.testing.assert_allclose(result, exact, atol=0.5 + 1e-3, rtol=0)

    @pytest.mark.parametrize("size", [(448, 796), (64, 2048), (2048, 64), (100, 77)])
    def test_large_images_in_blocks_of_rows(self, size: tuple[int, int]) -> None:
        wrapped: Any = self.test_is_torchs_rounded
        wrapped.hypothesis.inner_test(self, 720, 1280, *size, 0)

    def test_halves_go_to_even(self) -> None:
        image = np.array([0, 1, 2, 3], np.uint8).reshape(1, 4, 1).repeat(3, axis=2)
        # Halving the width reads exactly between two pixels: 0.5 and 2.5.
        assert resize_image(image, (1, 2), SHORT_SIDE)[0, :, 0].tolist() == [0, 2]

    def test_shrinking_does_not_antialias(self) -> None:
        stripes = np.zeros((1, 300, 3), np.uint8)
        stripes[:, 1::3] = 255
        # One third's center pixel is sampled alone; antialiasing would mix in its neighbors.
        assert (resize_image(stripes, (1, 100), SHORT_SIDE) == 255).all()


class TestPrepareWindows:
    @pytest.mark.parametrize(
        ("image", "size", "padded"),
        [
            ((720, 1280), (448, 796), (448, 796)),
            ((480, 640), (448, 597), (448, 597)),
            ((448, 448), (448, 448), (448, 448)),
            ((112, 112), (448, 448), (448, 448)),
            ((1, 1), (448, 448), (448, 448)),
            ((1, 3000), (1, 2048), (448, 2048)),
            ((3000, 1), (2048, 1), (2048, 448)),
            ((1, 10_000), (1, 2048), (448, 2048)),
            ((300, 2000), (307, 2048), (448, 2048)),
        ],
    )
    def test_sizes(self, image: tuple[int, int], size: tuple[int, int], padded: tuple[int, int]) -> None:
        windows = plan_windows(image, WINDOW)
        pixel_values = prepare_windows(np.zeros((*image, 3), np.uint8), SHORT_SIDE, windows)
        assert windows.size == size
        assert windows.padded_size == padded
        assert pixel_values.shape == (len(windows.boxes), 3, 448, 448)
        assert pixel_values.dtype == np.float32

    def test_boxes_of_a_wide_image(self) -> None:
        windows = plan_windows((720, 1280), WINDOW)
        assert windows.boxes == ((0, 0), (0, 224), (0, 348))

    @settings(deadline=None, max_examples=60)
    @given(
        st.integers(1, 90), st.integers(1, 90), st.integers(1, 16), st.integers(1, 16), st.integers(16, 80)
    )
    def test_windows_are_the_resized_image(
        self, height: int, width: int, size: int, stride: int, long_side_max: int
    ) -> None:
        window = SlidingWindow(size=size, stride=min(stride, size), long_side_max=long_side_max)
        image = noise(height, width)
        spec = Preprocessing(resize="short_side", antialias=False, **PLAIN)
        windows = plan_windows((height, width), window)
        pixel_values = prepare_windows(image, spec, windows)

        h, w = windows.size
        assert max(h, w) <= max(long_side_max, 1)
        assert windows.padded_size == (max(h, size), max(w, size))
        resized = resize_image(image, (h, w), spec)
        covered = np.zeros(windows.padded_size, bool)
        for values, (top, left) in zip(pixel_values, windows.boxes, strict=True):
            assert 0 <= top <= windows.padded_size[0] - size
            assert 0 <= left <= windows.padded_size[1] - size
            rows = np.minimum(np.arange(top, top + size), h - 1)
            columns = np.minimum(np.arange(left, left + size), w - 1)
            np.testing.assert_array_equal(values.transpose(1, 2, 0), resized[rows][:, columns])
            covered[top : top + size, left : left + size] = True
        assert covered.all()
        assert len(set(windows.boxes)) == len(windows.boxes)
        assert list(windows.boxes) == sorted(windows.boxes)

    def test_proportions_are_kept(self, cat: np.ndarray) -> None:
        windows = plan_windows(cat.shape[:2], WINDOW)
        assert windows.size[0] / windows.size[1] == pytest.approx(cat.shape[0] / cat.shape[1], rel=2e-3)
