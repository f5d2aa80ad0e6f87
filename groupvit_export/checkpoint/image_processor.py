"""The settings of the image processor beside a checkpoint's weights, found as transformers finds them.

transformers 5 writes them into ``processor_config.json``, nested under ``image_processor``; older ones,
and ``CLIPImageProcessor.save_pretrained`` alone, into ``preprocessor_config.json``. Where both are there the
nested ones win (``ImageProcessingMixin.get_image_processor_dict``).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from groupvit_export.checkpoint.notes import DifferingSettings, PreprocessingNote, UnreadableSettings
from groupvit_export.errors import CheckpointError
from groupvit_runtime.contract import CLIP_MEAN, CLIP_STD, ResizeFilter

__all__ = ["IMAGE_PROCESSOR_FILES", "FoundSettings", "ImageProcessorSettings", "find_image_processor"]

IMAGE_PROCESSOR_FILES: Final = ("processor_config.json", "preprocessor_config.json")
"""In the order in which they win."""

_NESTED, _FLAT = IMAGE_PROCESSOR_FILES
_KEY: Final = "image_processor"

_CLASSES: Final = (
    "CLIPImageProcessor",
    "CLIPImageProcessorPil",
    "CLIPImageProcessorFast",
    "CLIPFeatureExtractor",
)
"""One and the same; transformers takes it for a GroupViT whose files name none."""

_FILTERS: Final[tuple[ResizeFilter, ...]] = ("nearest", "lanczos", "bilinear", "bicubic", "box", "hamming")
"""In the order of Pillow's resampling codes, which the files store."""


@dataclass(frozen=True)
class ImageProcessorSettings:
    """What transformers' CLIPImageProcessor does to an RGB image, in this order.

    Attributes:
        size: in pixels, (height, width) of the resized image, or the length of its short side.
        filter: of the resize, by Pillow's name.
        crop: (height, width) in pixels that is cut out of the middle; None where nothing is.
        rescale: what a value 0-255 is multiplied by; 1.0 where it stays as it is.
        mean: of the rescaled values, R, G, B; zeros where they are not normalized.
        std: likewise; ones where they are not normalized.
    """

    size: tuple[int, int] | int
    filter: ResizeFilter
    crop: tuple[int, int] | None
    rescale: float
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def squashes_to(self, image_size: tuple[int, int]) -> bool:
        """Whether every image becomes `image_size` (height, width), whole."""
        return self.size == image_size and self.crop in (None, image_size)


@dataclass(frozen=True)
class FoundSettings:
    """The settings that were followed.

    Attributes:
        settings: what they say.
        file: the name of the file that they are from.
        notes: what people must know of the other file.
    """

    settings: ImageProcessorSettings
    file: str
    notes: tuple[PreprocessingNote, ...] = ()


def find_image_processor(folder: Path) -> FoundSettings | None:
    """Read the image processor's settings of a Hugging Face folder.

    Returns:
        The settings, or None where neither file has any.

    Raises:
        CheckpointError: a file cannot be read, or says what this toolkit does not do.
    """
    nested = _nested(folder / _NESTED)
    flat = folder / _FLAT
    if nested is None:
        if not flat.is_file():
            return None
        return FoundSettings(_settings(_read(flat), flat), _FLAT)
    winner = _settings(nested, folder / _NESTED)
    return FoundSettings(winner, _NESTED, _about_the_other(winner, flat) if flat.is_file() else ())


def _nested(path: Path) -> Mapping[str, Any] | None:
    if not path.is_file():
        return None
    values = _read(path).get(_KEY)
    if values is not None and not isinstance(values, Mapping):
        raise _refused(path, f"{_KEY}: {values!r}", "a table of settings")
    return values


def _about_the_other(winner: ImageProcessorSettings, flat: Path) -> tuple[PreprocessingNote, ...]:
    try:
        other = _settings(_read(flat), flat)
    except CheckpointError as error:
        return (UnreadableSettings(error.got),)
    names = [field.name for field in fields(winner)]
    differing = tuple(name for name in names if getattr(winner, name) != getattr(other, name))
    return (DifferingSettings(differing),) if differing else ()


def _read(path: Path) -> Mapping[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise _refused(path, f"{type(error).__name__}: {error}", "a JSON file") from error
    if not isinstance(values, Mapping):
        raise _refused(path, f"a {type(values).__name__}", "a table of settings")
    return values


def _settings(values: Mapping[str, Any], path: Path) -> ImageProcessorSettings:
    return _Reader(values, path).settings()


def _refused(path: Path, got: str, expected: str) -> CheckpointError:
    without = f"`{_KEY}` from it" if path.name == _NESTED else "the file"
    return CheckpointError(
        f"{path.name} cannot be followed",
        got=f"{path}: {got}",
        expected=f"{expected}, as transformers' CLIPImageProcessor writes it",
        fix=f"correct the file, or remove {without} and have ImageNet's mean and std assumed",
    )


@dataclass(frozen=True)
class _Reader:
    """Settings by name; what is absent has the default of transformers' CLIPImageProcessor."""

    values: Mapping[str, Any]
    path: Path

    def settings(self) -> ImageProcessorSettings:
        self._check_class()
        if not self._switch("do_resize", default=True):
            raise self._refuse("do_resize", "true: the runtimes resize every image to the engine's size")
        if self._switch("do_pad", default=False):
            raise self._refuse("do_pad", "false: the runtimes pad nothing")
        normalizes = self._switch("do_normalize", default=True)
        return ImageProcessorSettings(
            size=self._size(),
            filter=self._filter(),
            crop=self._crop() if self._switch("do_center_crop", default=True) else None,
            rescale=self._rescale() if self._switch("do_rescale", default=True) else 1.0,
            mean=self._channels("image_mean", CLIP_MEAN) if normalizes else (0.0, 0.0, 0.0),
            std=self._channels("image_std", CLIP_STD, positive=True) if normalizes else (1.0, 1.0, 1.0),
        )

    def _check_class(self) -> None:
        key = "image_processor_type"
        if self.values.get(key) is None:
            key = "feature_extractor_type"
        name = self.values.get(key)
        if name is not None and name not in _CLASSES:
            raise self._refuse(key, "CLIPImageProcessor: it is a GroupViT's, and no other is known here")
        if name is None and self.values.get("auto_map"):
            raise self._refuse("auto_map", "CLIPImageProcessor: code of a checkpoint is never run")

    def _switch(self, key: str, *, default: bool) -> bool:
        value = self.values.get(key, default)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self._refuse(key, "true or false")
        return value

    def _size(self) -> tuple[int, int] | int:
        value = self.values.get("size", {"shortest_edge": 224})
        if _is_side(value):
            return (value, value) if self._switch("default_to_square", default=False) else int(value)
        if (
            isinstance(value, Mapping)
            and set(value) == {"shortest_edge"}
            and _is_side(value["shortest_edge"])
        ):
            return int(value["shortest_edge"])
        return self._sides("size", value, 'a side in pixels, {"height", "width"} or {"shortest_edge"}')

    def _crop(self) -> tuple[int, int]:
        value = self.values.get("crop_size", 224)
        if _is_side(value):
            return value, value
        return self._sides("crop_size", value, 'a side in pixels or {"height", "width"}')

    def _sides(self, key: str, value: object, expected: str) -> tuple[int, int]:
        if isinstance(value, Mapping) and set(value) == {"height", "width"}:
            value = [value["height"], value["width"]]
        if not isinstance(value, list) or len(value) != 2 or not all(map(_is_side, value)):
            raise self._refuse(key, expected)
        height, width = value
        return height, width

    def _filter(self) -> ResizeFilter:
        value = self.values.get("resample", _FILTERS.index("bicubic"))
        # transformers takes a name, whichever, for bilinear; True and 2.0 would pass for a code too.
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < len(_FILTERS):
            codes = ", ".join(f"{code} {name}" for code, name in enumerate(_FILTERS))
            raise self._refuse("resample", f"Pillow's code ({codes})")
        return _FILTERS[value]

    def _rescale(self) -> float:
        value = self.values.get("rescale_factor", 1 / 255)
        if not _is_number(value) or value <= 0:
            raise self._refuse("rescale_factor", "a number above 0")
        return float(value)

    def _channels(
        self, key: str, default: tuple[float, float, float], *, positive: bool = False
    ) -> tuple[float, float, float]:
        value = self.values.get(key, list(default))
        numbers = [value] * 3 if _is_number(value) else value
        if (
            not isinstance(numbers, list)
            or len(numbers) != 3
            or not all(_is_number(number) and (number > 0 or not positive) for number in numbers)
        ):
            above = " above 0" if positive else ""
            raise self._refuse(key, f"a number{above}, or three of them")
        first, second, third = (float(number) for number in numbers)
        return first, second, third

    def _refuse(self, key: str, expected: str) -> CheckpointError:
        value = self.values.get(key)
        return _refused(self.path, f"{key}: {json.dumps(value)[:200]}", f"{key} {expected}")


def _is_number(value: object) -> bool:
    # bool is an int to Python, and `true` in a file is a mistake, not a one.
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_side(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
