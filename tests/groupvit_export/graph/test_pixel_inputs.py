"""From normalized images back to pixels: exactly, or not at all."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groupvit_export.errors import EngineError
from groupvit_export.graph.pixel_inputs import pixels_of
from groupvit_runtime.contract import CLIP_MEAN, CLIP_STD, IMAGENET_MEAN, IMAGENET_STD, Preprocessing
from groupvit_runtime.preprocess import prepare_whole

CLIP = Preprocessing(resize="whole", antialias=True, mean=CLIP_MEAN, std=CLIP_STD)
SPECS = [
    CLIP,
    replace(CLIP, mean=IMAGENET_MEAN, std=IMAGENET_STD),
    replace(CLIP, color_order="BGR"),
    replace(CLIP, rescale=1.0, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)),
]


@pytest.mark.parametrize("spec", SPECS)
@given(seed=st.integers(0, 1000), shape=st.tuples(st.integers(1, 9), st.integers(1, 9)))
def test_every_image_comes_back(spec: Preprocessing, seed: int, shape: tuple[int, int]) -> None:
    rgb = np.random.default_rng(seed).integers(0, 256, (2, *shape, 3), dtype=np.uint8)
    values = np.stack([prepare_whole(image, shape, spec) for image in rgb])
    pixels = pixels_of(values, spec)
    assert pixels.dtype == np.uint8 and pixels.flags.c_contiguous
    np.testing.assert_array_equal(pixels, rgb)


@pytest.mark.parametrize("other", [SPECS[1], SPECS[3]])
def test_images_that_were_normalized_otherwise_are_refused(other: Preprocessing) -> None:
    rgb = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    values = prepare_whole(rgb, (4, 4), other)[None]
    with pytest.raises(EngineError, match="values that no pixel becomes"):
        pixels_of(values, CLIP)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e9])
def test_a_single_strange_value_is_refused(value: float) -> None:
    values = prepare_whole(np.zeros((4, 4, 3), np.uint8), (4, 4), CLIP)[None]
    values[0, 1, 2, 3] = value
    with pytest.raises(EngineError, match="1 values"):
        pixels_of(values, CLIP)
