"""What holds for data sets of every layout, and their options."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from dataset_support import (
    LAYOUTS,
    NONE,
    refused,
)

from groupvit_export.data.dataset import IGNORE, ILLEGAL
from groupvit_export.data.datasets import DATASETS, DatasetOptions, load_dataset
from groupvit_export.errors import UsageError


class TestTable:
    def test_names(self) -> None:
        assert list(DATASETS) == ["shapes", "voc2012", "context59", "context60", "coco-object", "folder"]
        assert DATASETS.keys() == LAYOUTS.keys()

    def test_options_are_fields(self) -> None:
        legal = {field.name for field in fields(DatasetOptions)}
        assert {option for spec in DATASETS.values() for option in spec.options} == legal

    @pytest.mark.parametrize("name", DATASETS)
    def test_what_holds_for_every_data_set(self, name: str, tmp_path: Path) -> None:
        dataset = load_dataset(name, LAYOUTS[name](tmp_path), NONE)
        assert dataset.name == name
        assert [sample.key for sample in dataset.samples] == ["a"]
        assert dataset.samples[0].image.is_file()
        assert dataset.samples[0].mask.is_file()
        assert dataset.root in dataset.samples[0].image.parents
        assert dataset.background == (dataset.background_threshold is not None)
        assert dataset.background == (dataset.classes[0] == "background")
        assert len(set(dataset.classes)) == len(dataset.classes)
        assert dataset.class_of_value.shape == (65536,)
        assert not dataset.class_of_value.flags.writeable
        found = set(dataset.class_of_value.tolist()) - {IGNORE, ILLEGAL}
        assert found == set(range(len(dataset.classes)))
        for indices in dataset.subsets.values():
            assert all(index < len(dataset.classes) for index in indices)

    @pytest.mark.parametrize("name", DATASETS)
    def test_the_layout_is_shown_when_it_is_missing(self, name: str, tmp_path: Path) -> None:
        error = refused(name, tmp_path, says=tmp_path)
        for line in DATASETS[name].layout.splitlines():
            assert line in str(error.expected)
        assert "has no" in str(error.got)

    def test_an_unknown_name(self, tmp_path: Path) -> None:
        error = refused("voc2021", tmp_path, kind=UsageError, says="coco-object")
        assert error.fix == "did you mean --dataset voc2012?"
        assert "folder" in str(refused("zzz", tmp_path, kind=UsageError).fix)

    def test_no_folder(self, tmp_path: Path) -> None:
        assert "nothing" in str(
            refused("voc2012", tmp_path / "no", kind=UsageError, says=tmp_path / "no").got
        )
        (tmp_path / "file").touch()
        assert "a file" in str(
            refused("voc2012", tmp_path / "file", kind=UsageError, says=tmp_path / "file").got
        )

    def test_a_folder_that_may_not_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        root = LAYOUTS["coco-object"](tmp_path)
        folder = root / "coco" / "images" / "val2017"

        # Tests may run as root, who may read everything.
        def denied(path: Path) -> None:
            raise PermissionError(13, "Permission denied", str(path))

        monkeypatch.setattr(Path, "iterdir", denied)
        assert "Permission denied" in str(refused("coco-object", root, says=folder).got)

    def test_a_root_whose_name_is_too_long(self, tmp_path: Path) -> None:
        refused("voc2012", tmp_path / ("a" * 300), says="File name too long")


OPTION_VALUES: dict[str, Any] = {
    "vocabulary": "plain",
    "classes": Path("names.txt"),
    "ignore_index": (254,),
    "reduce_zero_label": True,
    "split": "val",
}


class TestOptions:
    @pytest.mark.parametrize(
        ("name", "option"),
        [
            (name, option)
            for name in DATASETS
            for option in sorted(OPTION_VALUES.keys() - DATASETS[name].options)
        ],
    )
    def test_an_option_of_another_data_set(self, name: str, option: str, tmp_path: Path) -> None:
        flag = f"--{option.replace('_', '-')}"
        options = DatasetOptions(**{option: OPTION_VALUES[option]})
        error = refused(name, LAYOUTS[name](tmp_path), options, kind=UsageError, says=flag)
        for legal in DATASETS[name].options:
            assert f"--{legal.replace('_', '-')}" in str(error.expected)
        assert flag not in str(error.expected)
        having = [other for other, spec in DATASETS.items() if option in spec.options]
        assert str(error.fix).endswith(", ".join(having))

    def test_zero_is_a_value(self, tmp_path: Path) -> None:
        refused("voc2012", LAYOUTS["voc2012"](tmp_path), DatasetOptions(ignore_index=(0,)), kind=UsageError)

    @pytest.mark.parametrize("split", ["", ".", "..", "../val", "/val", "a\\b", ".val", "a\nb"])
    @pytest.mark.parametrize("name", ["voc2012", "context59", "context60", "coco-object"])
    def test_a_split_leads_nowhere_else(self, name: str, split: str, tmp_path: Path) -> None:
        options = DatasetOptions(split=split)
        refused(name, LAYOUTS[name](tmp_path), options, kind=UsageError, says="name of a split")
