"""What a manifest may say about images and decoding."""

from __future__ import annotations

import math
from typing import Any

import pytest

from groupvit_runtime.contract import (
    CLIP_MEAN,
    CLIP_STD,
    IMAGENET_MEAN,
    IMAGENET_STD,
    PaperDecode,
    Preprocessing,
    SlidingWindow,
)
from groupvit_runtime.errors import BundleError

WHOLE: dict[str, Any] = {"resize": "whole", "antialias": True, "mean": CLIP_MEAN, "std": CLIP_STD}
WINDOW: dict[str, Any] = {"size": 448, "stride": 224, "long_side_max": 2048}


def test_the_published_contracts_are_accepted() -> None:
    Preprocessing(**WHOLE)
    Preprocessing(resize="short_side", antialias=False, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    PaperDecode(window=SlidingWindow(**WINDOW), background_threshold=0.95)
    PaperDecode(window=SlidingWindow(**WINDOW), background_threshold=None)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("resize", "crop"),
        ("color_order", "GBR"),
        ("filter", "area"),
        ("filter", None),
        ("rounding", "none"),
        ("antialias", 1),
        ("rescale", 0),
        ("rescale", math.inf),
        ("rescale", True),
        ("mean", [0.5, 0.5, 0.5]),
        ("mean", (0.5, 0.5)),
        ("mean", (0.5, 0.5, math.nan)),
        ("std", (0.5, 0.5, 0.0)),
        ("std", (0.5, 0.5, "0.5")),
        ("filter", "nearest"),
        ("filter", "opencv_bilinear"),
    ],
)
def test_preprocessing_that_cannot_be_followed_is_refused(field: str, value: object) -> None:
    with pytest.raises(BundleError, match=r"preprocessing\.\w+ cannot be followed"):
        Preprocessing(**{**WHOLE, field: value})


@pytest.mark.parametrize("name", ["bicubic", "lanczos", "box", "hamming"])
def test_most_filters_do_not_exist_without_antialiasing(name: str) -> None:
    with pytest.raises(BundleError, match="antialias"):
        Preprocessing(**{**WHOLE, "antialias": False, "filter": name})


@pytest.mark.parametrize(
    ("field", "value"),
    [("size", 0), ("size", 448.0), ("stride", 449), ("stride", True), ("long_side_max", 447)],
)
def test_windows_that_cannot_cover_a_image_are_refused(field: str, value: object) -> None:
    with pytest.raises(BundleError, match=r"window\.\w+ cannot be followed"):
        SlidingWindow(**{**WINDOW, field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("background_threshold", 1.5),
        ("background_threshold", -0.1),
        ("background_threshold", "0.95"),
        ("top_classes", 0),
        ("max_logit_scale", 0),
        ("window", WINDOW),
    ],
)
def test_paper_constants_out_of_range_are_refused(field: str, value: object) -> None:
    fields: dict[str, Any] = {"window": SlidingWindow(**WINDOW), "background_threshold": 0.95, field: value}
    with pytest.raises(BundleError, match=r"decode\.\w+ cannot be followed"):
        PaperDecode(**fields)
