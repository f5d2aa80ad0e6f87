"""A checkpoint's image processor to the manifest's preprocessing contract."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from groupvit_export.checkpoint.image_processor import (
    FoundSettings,
    ImageProcessorSettings,
    find_image_processor,
)
from groupvit_export.checkpoint.notes import AssumedSettings, NotCropped, PreprocessingNote
from groupvit_runtime.contract import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    PaperDecode,
    Preprocessing,
    SlidingWindow,
)
from groupvit_runtime.manifest import Preprocessings

_PAPER_SHORT_SIDE, _PAPER_LONG_SIDE_MAX = 448, 2048


@dataclass(frozen=True)
class CheckpointPreprocessing:
    """How a checkpoint's images are prepared.

    Attributes:
        contracts: of both decodes.
        notes: what was assumed, chosen between two files, or not followed.
    """

    contracts: Preprocessings
    notes: tuple[PreprocessingNote, ...]


def read_preprocessing(folder: Path | None, image_size: tuple[int, int]) -> CheckpointPreprocessing:
    """Contracts of both decodes, and what must be said of them.

    `hf` follows the image processor's settings (:func:`find_image_processor`), except that the whole
    image is resized and nothing cropped: a label map must cover the image. Without settings, and
    always for `paper`, mean and std are ImageNet's, with which NVlabs trained and evaluated.

    Args:
        folder: the checkpoint's, or None for a single file.
        image_size: (height, width) of the engine's images.

    Raises:
        CheckpointError: settings are there and cannot be followed.
    """
    found = _find(folder)
    if found is None:
        return CheckpointPreprocessing(_contracts(None), (AssumedSettings(single_file=folder is None),))
    notes, settings = found.notes, found.settings
    if not settings.squashes_to(image_size):
        notes = (*notes, NotCropped(found.file, settings.size, settings.crop, image_size))
    return CheckpointPreprocessing(_contracts(settings), notes)


def preprocessings(folder: Path | None) -> Preprocessings:
    """The contracts of :func:`read_preprocessing` alone."""
    found = _find(folder)
    return _contracts(None if found is None else found.settings)


def paper_constants(image_size: tuple[int, int]) -> PaperDecode | None:
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


def _find(folder: Path | None) -> FoundSettings | None:
    return None if folder is None else find_image_processor(folder)


def _contracts(settings: ImageProcessorSettings | None) -> Preprocessings:
    paper = Preprocessing(
        resize="short_side", filter="opencv_bilinear", antialias=False, mean=IMAGENET_MEAN, std=IMAGENET_STD
    )
    if settings is None:
        whole = Preprocessing(resize="whole", antialias=True, mean=IMAGENET_MEAN, std=IMAGENET_STD)
        return Preprocessings(hf=whole, paper=paper)
    whole = Preprocessing(
        resize="whole",
        filter=settings.filter,
        antialias=settings.filter != "nearest",
        rescale=settings.rescale,
        mean=settings.mean,
        std=settings.std,
    )
    return Preprocessings(hf=whole, paper=paper)
