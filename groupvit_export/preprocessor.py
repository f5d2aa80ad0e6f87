"""A checkpoint's preprocessor_config.json to the manifest's preprocessing contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, cast

from groupvit_export.errors import CheckpointError
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
from groupvit_runtime.manifest import Preprocessings

_PILLOW_FILTERS: Final = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""In the order of Pillow's resampling codes, which the configuration stores."""

_PAPER_SHORT_SIDE, _PAPER_LONG_SIDE_MAX = 448, 2048


def preprocessings(folder: Path | None) -> Preprocessings:
    """Contracts of both decodes.

    `hf` follows the checkpoint's preprocessor_config.json, except that the whole picture is resized
    and nothing cropped: a label map must cover the picture. Without that file, and always for
    `paper`, mean and std are ImageNet's, with which NVlabs trained and evaluated.

    Raises:
        CheckpointError: the file is there and cannot be followed.
    """
    paper = Preprocessing(resize="short_side", antialias=False, mean=IMAGENET_MEAN, std=IMAGENET_STD)
    path = None if folder is None else folder / "preprocessor_config.json"
    if path is None or not path.is_file():
        whole = Preprocessing(resize="whole", antialias=True, mean=IMAGENET_MEAN, std=IMAGENET_STD)
        return Preprocessings(hf=whole, paper=paper)
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        # Absent keys have the defaults of transformers' CLIP image processor.
        filter_name = _PILLOW_FILTERS[values.get("resample", 3)]
        whole = Preprocessing(
            resize="whole",
            filter=cast(ResizeFilter, filter_name),
            antialias=filter_name != "nearest",
            rescale=values.get("rescale_factor", 1 / 255) if values.get("do_rescale", True) else 1.0,
            mean=_channels(values, "image_mean", 0.0),
            std=_channels(values, "image_std", 1.0),
        )
    except Exception as error:
        raise CheckpointError(
            "preprocessor_config.json cannot be followed",
            got=f"{path}: {type(error).__name__}: {error}",
            expected="what transformers' CLIPImageProcessor writes",
            fix="correct the file, or remove it to use ImageNet's mean and std",
        ) from error
    return Preprocessings(hf=whole, paper=paper)


def paper_decode(image_size: tuple[int, int]) -> PaperDecode | None:
    """The paper's sliding windows, scaled from 448 pixels to the engine's size; None if not square."""
    side = image_size[0]
    if side != image_size[1]:
        return None
    return PaperDecode(
        window=SlidingWindow(
            size=side,
            stride=max(1, side // 2),
            long_side_max=round(_PAPER_LONG_SIDE_MAX * side / _PAPER_SHORT_SIDE),
        ),
        background_threshold=None,
    )


def _channels(values: dict[str, object], key: str, neutral: float) -> tuple[float, float, float]:
    if not values.get("do_normalize", True):
        return (neutral, neutral, neutral)
    default = CLIP_MEAN if key == "image_mean" else CLIP_STD
    first, second, third = cast(list[float], values.get(key, list(default)))
    return (first, second, third)
