"""The paper's resize against OpenCV itself."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from groupvit_runtime.contract import IMAGENET_MEAN, IMAGENET_STD, Preprocessing, SlidingWindow
from groupvit_runtime.opencv_resize import opencv_bilinear
from groupvit_runtime.preprocess import prepare_windows, resize_image
from groupvit_runtime.windows import plan_windows

SPEC = Preprocessing(
    resize="short_side", filter="opencv_bilinear", antialias=False, mean=IMAGENET_MEAN, std=IMAGENET_STD
)
Sides = tuple[int, int]


def noise(size: Sides, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def theirs(image: np.ndarray, size: Sides) -> np.ndarray:
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR)


def sizes(count: int) -> Iterator[tuple[Sides, Sides]]:
    """Pairs of sizes, small ones more often; among them halves, doubles and sides that stay."""
    random = np.random.default_rng(42)
    for index in range(count):
        height, width, to_height, to_width = (int(side) for side in np.exp(random.uniform(0, 6, 4)))
        match index % 8:
            case 0:
                height, width = 2 * to_height, 2 * to_width
            case 1:
                to_height, to_width = 2 * height, 2 * width
            case 2:
                height = 2 * to_height
            case 3:
                to_width = width
        yield (height, width), (to_height, to_width)


def test_two_thousand_sizes() -> None:
    for index, (size, to) in enumerate(sizes(2000)):
        image = noise(size, index)
        np.testing.assert_array_equal(opencv_bilinear(image, to), theirs(image, to), f"{size} to {to}")


@pytest.mark.parametrize(
    ("size", "to"),
    [
        ((480, 640), (448, 597)),
        ((1080, 1920), (448, 796)),
        ((3000, 4000), (448, 597)),
        ((896, 1194), (448, 597)),
        ((1, 3000), (1, 2048)),
        ((3000, 1), (2048, 1)),
    ],
)
def test_sizes_of_photographs(size: Sides, to: Sides) -> None:
    image = noise(size)
    for values in (image, image // 128 * np.uint8(255)):
        np.testing.assert_array_equal(resize_image(values, to, SPEC), theirs(values, to))


def test_windows_are_cut_out_of_it() -> None:
    image = noise((333, 517))
    plan = plan_windows((333, 517), SlidingWindow(size=448, stride=224, long_side_max=2048))
    expected = theirs(image, plan.size).astype(np.float64)[:448, :448] / 255
    expected = (expected - IMAGENET_MEAN) / IMAGENET_STD
    found = prepare_windows(image, SPEC, plan)[0].transpose(1, 2, 0)
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_an_image_of_the_right_size_is_itself() -> None:
    image = noise((5, 7))
    assert opencv_bilinear(image, (5, 7)) is image
