"""What every side is given: an image, a checkpoint, and the bundles exported from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.checkpoint import VOC
from benchmarks.peers.sides import BUNDLES, OURS
from benchmarks.peers.synthetic_checkpoint import write_telling_checkpoint
from groupvit_export.checkpoint.preprocessor import preprocessings
from groupvit_export.data.bundled import DEMO_CHECKPOINT, DEMO_SAMPLE
from groupvit_export.errors import GroupViTError
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.quantization.options import QuantizationOptions
from groupvit_export.verification.synthetic_images import synthetic_images
from groupvit_runtime import Segmenter
from groupvit_runtime.preprocess import prepare_whole

SIZE: Final = (480, 640)
INPUT: Final = 224


@dataclass(frozen=True)
class Material:
    """Files in a folder.

    Attributes:
        image: a JPEG of `SIZE`.
        checkpoint: a Hugging Face folder.
        bundles, vocabularies: by the name of our side.
        refused: by the name of our side, why there is no bundle.
    """

    image: Path
    checkpoint: Path
    bundles: Mapping[str, Path]
    vocabularies: Mapping[str, Path]
    refused: Mapping[str, str]


def make_material(folder: Path, names: Sequence[str]) -> Material:
    """Write all of it; the bundles are verified on the way.

    Args:
        folder: to write to.
        names: of the sides; a bundle below fp32 that cannot be exported here is left out, with the reason.

    Raises:
        GroupViTError: an engine in fp32 is not the model.
    """
    image = write_image(folder / "image.jpg", SIZE)
    checkpoint = write_telling_checkpoint(folder / "checkpoint", images_for_statistics(image))
    bundles, vocabularies, refused = {}, {}, {}
    for name in (name for name in BUNDLES if name in names):
        target, precision = BUNDLES[name]
        options = ExportOptions(
            target=target,
            precision=precision,
            checkpoint=str(checkpoint),
            output=folder / name,
            # Random weights amplify rounding: label maps say nothing here, and all layers are to be timed.
            quantization=QuantizationOptions(budget=LabelBudget(max_miou_drop=100.0, min_agreement=0.0)),
        )
        try:
            bundles[name] = export_bundle(options).path
        except GroupViTError as error:
            if name in OURS:
                raise
            refused[name] = error.what if error.got is None else f"{error.what}: {error.got}"
            continue
        vocabularies[name] = folder / f"{name}.words.safetensors"
        Segmenter.load(bundles[name]).vocabulary(VOC).save(vocabularies[name])
    return Material(image, checkpoint, bundles, vocabularies, refused)


def write_image(path: Path, size: tuple[int, int]) -> Path:
    """A JPEG of (height, width): a drawn landscape and no noise, for a label map of noise has no areas."""
    sample = Image.open(DEMO_SAMPLE).convert("RGB")
    sample.resize(size[::-1], Image.Resampling.BICUBIC).save(path, quality=92)
    return path


def images_for_statistics(image: Path) -> NDArray[np.float32]:
    """What random weights are given statistics with: float32 [8, 3, 224, 224], the image among them."""
    spec = preprocessings(DEMO_CHECKPOINT).hf
    images = [np.asarray(Image.open(image)), *synthetic_images(7, 7, SIZE)]
    return np.stack([prepare_whole(rgb, (INPUT, INPUT), spec) for rgb in images])
