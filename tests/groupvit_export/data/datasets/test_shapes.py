"""Drawn scenes with their vocabularies."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from dataset_support import (
    MASK,
    NONE,
    SHAPES_VOCABULARY,
    refused,
    scenes_document,
    truth,
    write_shapes,
)

from groupvit_export.data.dataset import IGNORE, ILLEGAL
from groupvit_export.data.datasets import DatasetOptions, load_dataset
from groupvit_export.errors import UsageError


class TestShapes:
    TWO = {  # noqa: RUF012
        "colors": {
            "classes": ["red", "blue"],
            "values": {"1": 0, "3": 0, "2": 1},
            "ignore": [0, 255],
            "background": False,
            "background_threshold": None,
            "subsets": {"warm": ["red"], "all": ["blue", "red"]},
        },
        "plain": SHAPES_VOCABULARY,
    }

    def test_the_first_vocabulary(self, tmp_path: Path) -> None:
        masks = {"000001": np.array([[0, 1, 3], [2, 255, 1]]), "000000": MASK}
        dataset = load_dataset("shapes", write_shapes(tmp_path, masks, self.TWO), NONE)
        assert dataset.classes == ("red", "blue")
        assert not dataset.background
        assert dataset.templates == ("a photo of {}",)
        assert dict(dataset.subsets) == {"warm": (0,), "all": (1, 0)}
        # The order is the file's.
        assert [sample.key for sample in dataset.samples] == ["000001", "000000"]
        assert dataset.samples[0].image == tmp_path / "images/000001.png"
        # Two values of one class, and two that are ignored.
        assert truth(dataset, 0, (2, 3)) == [[IGNORE, 0, 0], [1, IGNORE, 0]]
        assert dataset.class_of_value[4] == ILLEGAL

    def test_a_chosen_vocabulary(self, tmp_path: Path) -> None:
        root = write_shapes(tmp_path, {"a": MASK}, self.TWO)
        dataset = load_dataset("shapes", root, DatasetOptions(vocabulary="plain"))
        assert dataset.classes == ("background", "red circle", "blue square")
        assert dataset.background_threshold == 0.5
        assert dict(dataset.subsets) == {"held-out": (2,)}

    def test_an_unknown_vocabulary(self, tmp_path: Path) -> None:
        root = write_shapes(tmp_path, {"a": MASK}, self.TWO)
        options = DatasetOptions(vocabulary="color")
        error = refused("shapes", root, options, kind=UsageError, says=root / "scenes.json")
        assert str(error.expected).endswith("colors, plain")
        assert error.fix == "did you mean --vocabulary colors?"
        refused("shapes", root, DatasetOptions(vocabulary=""), kind=UsageError, says="''")

    def test_what_may_be_left_out(self, tmp_path: Path) -> None:
        least = {"classes": ["x"], "values": {"1": 0}, "background": False}
        dataset = load_dataset("shapes", write_shapes(tmp_path, {"a": MASK}, {"v": least}, None), NONE)
        assert dataset.templates is None
        assert dict(dataset.subsets) == {}
        assert dataset.class_of_value[255] == ILLEGAL

    def test_images_are_not_looked_for(self, tmp_path: Path) -> None:
        write_shapes(tmp_path, {"a": MASK})
        document = scenes_document([f"{number:06d}" for number in range(5000)])
        (tmp_path / "scenes.json").write_text(json.dumps(document))
        assert len(load_dataset("shapes", tmp_path, NONE).samples) == 5000

    @pytest.mark.parametrize(
        ("key", "value"),
        [
            ("format", "groupvit-scenes-2"),
            ("format", None),
            ("templates", "a photo of {}"),
            ("templates", []),
            ("templates", ["a photo"]),
            ("templates", ["{} and {}"]),
            ("templates", [1]),
            ("vocabularies", {}),
            ("vocabularies", []),
            ("vocabularies.plain", None),
            ("vocabularies.plain.classes", []),
            ("vocabularies.plain.classes", "x"),
            ("vocabularies.plain.classes", ["background", 1]),
            ("vocabularies.plain.classes", ["background", "x", "X"]),
            ("vocabularies.plain.classes", ["background", "x  y", "z"]),
            ("vocabularies.plain.classes", ["x", "background", "z"]),
            ("vocabularies.plain.classes", ["background"]),
            ("vocabularies.plain.classes", ["background", ""]),
            ("vocabularies.plain.values", {}),
            ("vocabularies.plain.values", [0, 1]),
            ("vocabularies.plain.values", {"65536": 0}),
            ("vocabularies.plain.values", {"-1": 0}),
            ("vocabularies.plain.values", {"01": 0}),
            ("vocabularies.plain.values", {"1.0": 0}),
            ("vocabularies.plain.values", {"one": 0}),
            ("vocabularies.plain.values", {"١": 0}),
            ("vocabularies.plain.values", {"9" * 5000: 0}),
            ("vocabularies.plain.values.1", 3),
            ("vocabularies.plain.values.1", -1),
            ("vocabularies.plain.values.1", True),
            ("vocabularies.plain.values.1", "1"),
            ("vocabularies.plain.values.1", 1.0),
            ("vocabularies.plain.ignore", 255),
            ("vocabularies.plain.ignore", [65536]),
            ("vocabularies.plain.ignore", ["255"]),
            ("vocabularies.plain.ignore", [255, 2]),
            ("vocabularies.plain.background", 1),
            ("vocabularies.plain.background", None),
            ("vocabularies.plain.background_threshold", None),
            ("vocabularies.plain.background_threshold", True),
            ("vocabularies.plain.background_threshold", "0.5"),
            ("vocabularies.plain.background_threshold", 1.5),
            ("vocabularies.plain.background_threshold", float("nan")),
            ("vocabularies.plain.subsets", ["red circle"]),
            ("vocabularies.plain.subsets.held-out", "red circle"),
            ("vocabularies.plain.subsets.held-out", []),
            ("vocabularies.plain.subsets.held-out", ["green star"]),
            ("vocabularies.plain.subsets.held-out", ["red circle", "red circle"]),
            ("vocabularies.plain.subsets.held-out", [[]]),
            ("vocabularies.plain.subset", {}),
            ("scenes", []),
            ("scenes", {}),
            ("scenes[0]", "a.png"),
            ("scenes[0].file", 1),
            ("scenes[0].file", "../a.png"),
            ("scenes[0].file", "sub/a.png"),
            ("scenes[0].file", "sub\\a.png"),
            ("scenes[0].file", "a.jpg"),
            ("scenes[0].file", ".png"),
            ("scenes[0].file", "a\0.png"),
            ("scenes[0].file", "\ud800.png"),
            ("scenes[0].file", ""),
        ],
    )
    def test_a_wrong_value_is_named_by_its_key(self, key: str, value: Any, tmp_path: Path) -> None:
        write_shapes(tmp_path, {"a": MASK, "b": MASK})
        document = json.loads((tmp_path / "scenes.json").read_text())
        place: Any = document
        *parents, last = key.replace("[0]", ".0").split(".")
        for name in parents:
            place = place[int(name) if isinstance(place, list) else name]
        place[int(last) if isinstance(place, list) else last] = value
        (tmp_path / "scenes.json").write_text(json.dumps(document))
        error = refused("shapes", tmp_path, says=tmp_path / "scenes.json")
        assert key in str(error.got)
        assert len(str(error.got)) < 300 + len(str(tmp_path))

    @pytest.mark.parametrize(
        "key",
        [
            "format",
            "templates",
            "vocabularies",
            "scenes",
            "vocabularies.plain.classes",
            "vocabularies.plain.values",
            "vocabularies.plain.background",
            "vocabularies.plain.background_threshold",
            "scenes[0].file",
        ],
    )
    def test_what_may_not_be_left_out(self, key: str, tmp_path: Path) -> None:
        write_shapes(tmp_path, {"a": MASK})
        document = json.loads((tmp_path / "scenes.json").read_text())
        place: Any = document
        *parents, last = key.replace("[0]", ".0").split(".")
        for name in parents:
            place = place[int(name) if isinstance(place, list) else name]
        del place[last]
        (tmp_path / "scenes.json").write_text(json.dumps(document))
        error = refused("shapes", tmp_path, says=tmp_path / "scenes.json")
        assert key in str(error.got)

    def test_a_threshold_without_background(self, tmp_path: Path) -> None:
        vocabulary = {"classes": ["x"], "values": {"1": 0}, "background": False, "background_threshold": 0.5}
        write_shapes(tmp_path, {"a": MASK}, {"v": vocabulary})
        refused("shapes", tmp_path, says="vocabularies.v.background_threshold")

    def test_a_file_twice(self, tmp_path: Path) -> None:
        write_shapes(tmp_path, {"a": MASK})
        (tmp_path / "scenes.json").write_text(json.dumps(scenes_document(["a", "b", "a"])))
        refused("shapes", tmp_path, says="scenes[2].file is 'a.png'")

    @pytest.mark.parametrize(
        "content", [b"", b"{", b"[" * 100_000, b'{"format": 1, "format": 2}', b"\xff", b"9" * 5000]
    )
    def test_no_json(self, content: bytes, tmp_path: Path) -> None:
        write_shapes(tmp_path, {"a": MASK})
        (tmp_path / "scenes.json").write_bytes(content)
        refused("shapes", tmp_path, says=tmp_path / "scenes.json")

    def test_a_value_twice(self, tmp_path: Path) -> None:
        write_shapes(tmp_path, {"a": MASK})
        path = tmp_path / "scenes.json"
        path.write_text(path.read_text().replace('"2": 2', '"2": 2, "2": 1'))
        refused("shapes", tmp_path, says="key '2' occurs twice")

    @pytest.mark.parametrize("content", ["[]", "1", "null", '"a"'])
    def test_json_of_something_else(self, content: str, tmp_path: Path) -> None:
        write_shapes(tmp_path, {"a": MASK})
        (tmp_path / "scenes.json").write_text(content)
        refused("shapes", tmp_path, says="the whole file")

    @pytest.mark.parametrize("part", ["images", "masks"])
    def test_a_missing_folder(self, part: str, tmp_path: Path) -> None:
        write_shapes(tmp_path, {"a": MASK})
        (tmp_path / part).rename(tmp_path / "elsewhere")
        refused("shapes", tmp_path, says=f"{tmp_path} has no {part}")
