"""Images and words that label maps are compared on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from groupvit_export.data.bundled import DEMO_SAMPLE
from groupvit_export.data.images import bundled_images
from groupvit_export.data.sampling import spread
from groupvit_export.metrics.class_names import default_names
from groupvit_export.verification.specification import ClassPrompts
from groupvit_export.verification.synthetic_images import synthetic_images
from groupvit_runtime.manifest import ModelInfo
from groupvit_runtime.read_image import read_image
from groupvit_runtime.tokenizer import Tokenizer

_SHAPES: Final = {
    "square": (1, 1),
    "landscape": (3, 4),
    "wide": (9, 16),
    "portrait": (4, 3),
    "panorama": (1, 4),
}
"""(height, width) of the images for the sliding windows, in parts."""


def bundled_scenes(limit: int | None = None) -> dict[str, NDArray[np.uint8]]:
    """The images that the package ships: drawn scenes, and the demo's sample.

    Args:
        limit: at most so many, spread evenly; None for all.
    """
    scenes = {**bundled_images(with_truth=False).images, "sample": read_image(DEMO_SAMPLE)}
    return dict(spread(list(scenes.items()), limit))


def images_for_windows(side: int, limit: int | None = None) -> dict[str, NDArray[np.uint8]]:
    """Made images of several shapes, uint8 [H, W, 3] by name.

    Args:
        side: of the engine's images.
        limit: at most so many; None for all.
    """
    # Small enough to be shrunk and enlarged: what an image's size does is tested, not what it costs.
    return {
        name: synthetic_images(index + 2, 1, (side * h // 2, side * w // 2))[0]
        for index, (name, (h, w)) in enumerate(list(_SHAPES.items())[:limit])
    }


def class_words(
    path: Path,
    model: ModelInfo,
    templates: Sequence[str],
    names: Sequence[str] | None = None,
    *,
    nvlabs_cleaning: bool,
) -> ClassPrompts:
    """The classes of the label maps.

    Args:
        path: of the bundle's tokenizer.
        model: how long sentences are, and how they are filled up.
        templates: prompts, each with one `{}`.
        names: of the classes; None for words that the tokenizer knows.
        nvlabs_cleaning: whether sentences are cleaned as NVlabs' tokenizer does.
    """
    own = Tokenizer(
        path,
        max_length=model.text_max_length,
        pad_id=model.text_pad_id,
        nvlabs_cleaning=nvlabs_cleaning,
    )
    chosen = tuple(names) if names is not None else default_names(own, path, templates)
    prompts = sentences(chosen, templates)
    return ClassPrompts(chosen, own.encode(prompts))


def sentences(names: Sequence[str], templates: Sequence[str]) -> list[str]:
    """Every name in every template, the templates of a name together."""
    return [template.format(name) for name in names for template in templates]
