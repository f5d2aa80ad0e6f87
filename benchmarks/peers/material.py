"""What every side is given: a picture, a checkpoint, and the bundles exported from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.checkpoint import VOC
from benchmarks.peers.telling_checkpoint import write_telling_checkpoint
from groupvit_export.demo import DEMO_CHECKPOINT, DEMO_SAMPLE
from groupvit_export.pipeline import ExportOptions, export_bundle
from groupvit_export.preprocessor import preprocessings
from groupvit_export.verify.pictures import synthetic_pictures
from groupvit_runtime import Segmenter
from groupvit_runtime.preprocess import prepare_whole

SIZE: Final = (480, 640)
INPUT: Final = 224

_TARGETS: Final[Mapping[str, str]] = MappingProxyType(
    {"ours-openvino": "openvino", "ours-onnxruntime": "onnx"}
)


@dataclass(frozen=True)
class Material:
    """Files in a folder.

    Attributes:
        picture: a JPEG of `SIZE`.
        checkpoint: a Hugging Face folder.
        bundles, vocabularies: by the name of our side.
    """

    picture: Path
    checkpoint: Path
    bundles: Mapping[str, Path]
    vocabularies: Mapping[str, Path]


def make_material(folder: Path) -> Material:
    """Write all of it; the bundles are verified on the way.

    Raises:
        GroupViTError: an engine is not the model.
    """
    picture = _write_picture(folder / "picture.jpg")
    checkpoint = write_telling_checkpoint(folder / "checkpoint", _pictures_for_statistics(picture))
    bundles, vocabularies = {}, {}
    for name, target in _TARGETS.items():
        options = ExportOptions(target=target, checkpoint=str(checkpoint), output=folder / target)
        bundles[name] = export_bundle(options).path
        vocabularies[name] = folder / f"{target}.words.safetensors"
        Segmenter.load(bundles[name]).vocabulary(VOC).save(vocabularies[name])
    return Material(picture, checkpoint, bundles, vocabularies)


def _write_picture(path: Path) -> Path:
    # A drawn landscape and no noise: a label map of noise has no areas.
    sample = Image.open(DEMO_SAMPLE).convert("RGB")
    sample.resize(SIZE[::-1], Image.Resampling.BICUBIC).save(path, quality=92)
    return path


def _pictures_for_statistics(picture: Path) -> NDArray[np.float32]:
    spec = preprocessings(DEMO_CHECKPOINT).hf
    pictures = [np.asarray(Image.open(picture)), *synthetic_pictures(7, 7, SIZE)]
    return np.stack([prepare_whole(rgb, (INPUT, INPUT), spec) for rgb in pictures])
