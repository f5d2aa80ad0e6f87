"""scenes.json: what a `shapes` data set says about itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NoReturn

from groupvit_export.data.datasets.errors import DatasetError
from groupvit_export.data.datasets.text_files import check_class_names, is_plain_name, read_text
from groupvit_export.data.datasets.values import MASK_VALUES
from groupvit_runtime.competition import BACKGROUND
from groupvit_runtime.errors import LabelError
from groupvit_runtime.prompts import resolve_templates

FORMAT: Final = "groupvit-scenes-1"

_VOCABULARY_KEYS: Final = ("classes", "values", "ignore", "background", "background_threshold", "subsets")
_MASK_VALUE: Final = re.compile(r"0|[1-9][0-9]{0,4}")
_SHOWN_CHARACTERS: Final = 80


@dataclass(frozen=True)
class SceneVocabulary:
    """One way to name what the masks hold.

    Attributes:
        classes: K names; the first is "background" where `background` is set.
        values: mask value to class index.
        ignored: mask values that count nowhere.
        background: whether class 0 is the background.
        background_threshold: of the `paper` decode; None exactly where there is no background.
        subsets: groups of classes, by index.
    """

    classes: tuple[str, ...]
    values: Mapping[int, int]
    ignored: tuple[int, ...]
    background: bool
    background_threshold: float | None
    subsets: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class ScenesFile:
    """The contents of scenes.json.

    Attributes:
        templates: prompt templates, or None for the bundle's own.
        vocabularies: by name, in the file's order; at least one.
        files: names of the images and of their masks, in the file's order.
    """

    templates: tuple[str, ...] | None
    vocabularies: Mapping[str, SceneVocabulary]
    files: tuple[str, ...]


def read_scenes(path: Path) -> ScenesFile:
    """Read and check a scenes.json.

    An object with ``format`` ("groupvit-scenes-1"), ``templates`` (a list, or null), ``vocabularies`` and
    ``scenes`` (a list of objects with ``file``, a name ending in .png, and what else describes them). A
    vocabulary has ``classes`` (names), ``values`` (mask value, as a string, to class index) and
    ``background`` (a boolean), and may have ``ignore`` (mask values), ``background_threshold`` and
    ``subsets`` (names to lists of classes); it has no other key.

    Raises:
        DatasetError: it cannot be read or is not of this form; it names the key.
    """
    text = read_text(path, "the description of the scenes")
    try:
        document = json.loads(text, object_pairs_hook=_object_of_unique_keys)
    except (ValueError, RecursionError) as error:
        raise DatasetError(
            "the description of the scenes is not JSON",
            got=f"{path}: {error}",
            expected=f"a JSON object with format {FORMAT!r}",
            fix="correct the file, or write the data set again",
        ) from error
    return _Reader(path).document(document)


def _object_of_unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(
            f"key {next(key for key in keys if keys.count(key) > 1)!r} occurs twice in an object"
        )
    return result


class _Reader:
    """Checks values and names the file and the key in every error."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def document(self, document: object) -> ScenesFile:
        if not isinstance(document, dict):
            self._wrong("the whole file", document, "an object")
        if document.get("format") != FORMAT:
            self._wrong("format", document.get("format"), repr(FORMAT))
        vocabularies = self._field(document, "vocabularies", dict, "an object with at least one vocabulary")
        if not vocabularies:
            self._wrong("vocabularies", vocabularies, "at least one vocabulary")
        return ScenesFile(
            templates=self._templates(document),
            vocabularies=MappingProxyType(
                {
                    name: self._vocabulary(value, f"vocabularies.{name}")
                    for name, value in vocabularies.items()
                }
            ),
            files=self._files(self._field(document, "scenes", list, "a list of scenes")),
        )

    def _templates(self, document: dict[str, Any]) -> tuple[str, ...] | None:
        expected = "a list of sentences with one {} each, or null for the bundle's own"
        if "templates" not in document:
            self._missing("templates", expected)
        templates = document["templates"]
        if templates is None:
            return None
        if not isinstance(templates, list) or not all(isinstance(entry, str) for entry in templates):
            self._wrong("templates", templates, expected)
        try:
            return resolve_templates(templates)
        except LabelError as error:
            raise self._error("templates", templates, expected) from error

    def _vocabulary(self, value: object, key: str) -> SceneVocabulary:
        if not isinstance(value, dict):
            self._wrong(key, value, "an object")
        for name in value:
            if name not in _VOCABULARY_KEYS:
                self._wrong(f"{key}.{name}", value[name], f"only the keys {', '.join(_VOCABULARY_KEYS)}")
        classes = self._classes(self._field(value, "classes", list, "a list of names", key), f"{key}.classes")
        background = self._field(value, "background", bool, "true or false", key)
        if background and (classes[0] != BACKGROUND or len(classes) < 2):
            self._wrong(
                f"{key}.classes", list(classes), f"{BACKGROUND!r}, then further names, as background is true"
            )
        values = self._values(
            self._field(value, "values", dict, "an object", key), len(classes), f"{key}.values"
        )
        return SceneVocabulary(
            classes=classes,
            values=values,
            ignored=self._ignored(value.get("ignore", []), values, f"{key}.ignore"),
            background=background,
            background_threshold=self._threshold(
                value.get("background_threshold"), background, f"{key}.background_threshold"
            ),
            subsets=self._subsets(value.get("subsets", {}), classes, f"{key}.subsets"),
        )

    def _classes(self, names: list[Any], key: str) -> tuple[str, ...]:
        if not all(isinstance(name, str) for name in names):
            self._wrong(key, names, "a list of names")
        checked = check_class_names(names, f"{self._path}: {key}")
        if list(checked) != names:
            surplus = next(name for name, clean in zip(names, checked, strict=True) if name != clean)
            self._wrong(key, surplus, "names without surplus white space")
        return checked

    def _values(self, values: dict[str, Any], classes: int, key: str) -> Mapping[int, int]:
        for value, index in values.items():
            if not _MASK_VALUE.fullmatch(value) or int(value) >= MASK_VALUES:
                self._wrong(
                    f"{key}, a key", value, f"a mask value: 0 to {MASK_VALUES - 1}, without leading zeros"
                )
            if not _is_integer(index, classes):
                self._wrong(f"{key}.{value}", index, f"the index of a class: 0 to {classes - 1}")
        if not values:
            self._wrong(key, values, "at least one mask value")
        return MappingProxyType({int(value): index for value, index in values.items()})

    def _ignored(self, ignored: object, values: Mapping[int, int], key: str) -> tuple[int, ...]:
        if not isinstance(ignored, list) or not all(_is_integer(value, MASK_VALUES) for value in ignored):
            self._wrong(key, ignored, f"a list of mask values, 0 to {MASK_VALUES - 1}")
        for value in ignored:
            if value in values:
                self._wrong(key, value, "values that are not in values as well")
        return tuple(ignored)

    def _threshold(self, threshold: object, background: bool, key: str) -> float | None:
        if not background:
            if threshold is not None:
                self._wrong(key, threshold, "null, as background is false")
            return None
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or not 0 <= threshold <= 1:
            self._wrong(key, threshold, "a number from 0 to 1, as background is true")
        return float(threshold)

    def _subsets(self, subsets: object, classes: tuple[str, ...], key: str) -> Mapping[str, tuple[int, ...]]:
        if not isinstance(subsets, dict):
            self._wrong(key, subsets, "an object of lists of class names")
        result: dict[str, tuple[int, ...]] = {}
        for subset, names in subsets.items():
            if not isinstance(names, list) or not names:
                self._wrong(f"{key}.{subset}", names, "a list of at least one class name")
            for position, name in enumerate(names):
                if name not in classes or name in names[:position]:
                    self._wrong(f"{key}.{subset}", name, "names of this vocabulary's classes, each once")
            result[subset] = tuple(classes.index(name) for name in names)
        return MappingProxyType(result)

    def _files(self, scenes: list[Any]) -> tuple[str, ...]:
        if not scenes:
            self._wrong("scenes", scenes, "at least one scene")
        expected = "a name that ends in .png, without folder, that no other scene has"
        files: dict[str, None] = {}
        for number, scene in enumerate(scenes):
            key = f"scenes[{number}]"
            if not isinstance(scene, dict):
                self._wrong(key, scene, "an object")
            file = self._field(scene, "file", str, expected, key)
            if not is_plain_name(file) or file.startswith(".") or not file.endswith(".png") or file in files:
                self._wrong(f"{key}.file", file, expected)
            files[file] = None
        return tuple(files)

    def _field(self, value: dict[str, Any], name: str, kind: type, expected: str, key: str = "") -> Any:
        key = f"{key}.{name}" if key else name
        if name not in value:
            self._missing(key, expected)
        if not isinstance(value[name], kind):
            self._wrong(key, value[name], expected)
        return value[name]

    def _missing(self, key: str, expected: str) -> NoReturn:
        raise self._say(f"no {key}", key, expected)

    def _wrong(self, key: str, value: object, expected: str) -> NoReturn:
        raise self._error(key, value, expected)

    def _error(self, key: str, value: object, expected: str) -> DatasetError:
        shown = repr(value)
        if len(shown) > _SHOWN_CHARACTERS:
            shown = f"{shown[:_SHOWN_CHARACTERS]}..."
        return self._say(f"{key} is {shown}", key, expected)

    def _say(self, got: str, key: str, expected: str) -> DatasetError:
        return DatasetError(
            "the description of the scenes cannot be used",
            got=f"{self._path}: {got}",
            expected=f"{key}: {expected}",
            fix="correct the file, or write the data set again",
        )


def _is_integer(value: object, limit: int) -> bool:
    """Whether it is an integer of 0 to limit - 1; JSON's true is one to Python, but not here."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < limit
