"""PASCAL VOC 2012 and PASCAL Context."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_support import (
    MASK,
    NONE,
    refused,
    truth,
    write_context,
    write_voc2012,
)

from groupvit_export.data.dataset import IGNORE, ILLEGAL
from groupvit_export.data.datasets import DatasetOptions, load_dataset
from groupvit_export.data.datasets.class_names import CONTEXT_CLASSES, VOC_CLASSES
from groupvit_export.errors import UsageError


class TestVoc2012:
    @pytest.mark.parametrize("below", ["", "VOCdevkit", "VOCdevkit/VOC2012"])
    def test_where_the_root_may_be(self, below: str, tmp_path: Path) -> None:
        dataset = load_dataset("voc2012", write_voc2012(tmp_path, {"b": MASK, "a": MASK}) / below, NONE)
        home = tmp_path / "VOCdevkit" / "VOC2012"
        assert dataset.root == home
        # The order is the split file's.
        assert [sample.key for sample in dataset.samples] == ["b", "a"]
        assert dataset.samples[0].image == home / "JPEGImages" / "b.jpg"
        assert dataset.samples[0].mask == home / "SegmentationClass" / "b.png"

    def test_truth(self, tmp_path: Path) -> None:
        dataset = load_dataset("voc2012", write_voc2012(tmp_path, {"a": MASK}), NONE)
        assert dataset.classes == ("background", *VOC_CLASSES)
        assert dataset.background_threshold == 0.95
        assert dataset.templates is None
        assert truth(dataset, 0, (2, 3)) == [[0, 1, 1], [2, IGNORE, 0]]
        assert dataset.class_of_value[20] == 20
        assert dataset.class_of_value[21] == ILLEGAL
        assert dataset.class_of_value[254] == ILLEGAL

    def test_another_split(self, tmp_path: Path) -> None:
        write_voc2012(tmp_path, {"a": MASK})
        write_voc2012(tmp_path, {"c": MASK}, split="mini")
        dataset = load_dataset("voc2012", tmp_path, DatasetOptions(split="mini"))
        assert [sample.key for sample in dataset.samples] == ["c"]

    def test_a_split_that_is_not_there(self, tmp_path: Path) -> None:
        write_voc2012(tmp_path, {"a": MASK})
        write_voc2012(tmp_path, {"a": MASK}, split="mini")
        options = DatasetOptions(split="test")
        error = refused("voc2012", tmp_path, options, kind=UsageError, says="ImageSets/Segmentation/test.txt")
        assert str(error.expected).endswith(": mini, val")

    def test_an_empty_folder_of_splits(self, tmp_path: Path) -> None:
        write_voc2012(tmp_path, {"a": MASK})
        (tmp_path / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt").unlink()
        refused("voc2012", tmp_path, kind=UsageError, says="none is there")

    def test_what_is_missing_is_named(self, tmp_path: Path) -> None:
        home = write_voc2012(tmp_path, {"a": MASK}) / "VOCdevkit" / "VOC2012"
        (home / "SegmentationClass").rename(home / "SegmentationObject")
        error = refused("voc2012", tmp_path)
        assert error.got == f"{home} has no SegmentationClass"

    def test_the_places_that_were_tried_are_named(self, tmp_path: Path) -> None:
        error = refused("voc2012", tmp_path)
        assert str(error.got).endswith("and no VOCdevkit/VOC2012 or VOC2012")

    def test_another_year_is_not_taken_for_it(self, tmp_path: Path) -> None:
        write_voc2012(tmp_path, {"a": MASK})
        other = (tmp_path / "VOCdevkit" / "VOC2012").rename(tmp_path / "VOCdevkit" / "VOC2010")
        refused("voc2012", other, says="another year")

    def test_a_folder_of_any_other_name_is(self, tmp_path: Path) -> None:
        write_voc2012(tmp_path, {"a": MASK})
        mine = (tmp_path / "VOCdevkit" / "VOC2012").rename(tmp_path / "mine")
        assert load_dataset("voc2012", mine, NONE).root == mine

    def test_images_are_not_looked_for(self, tmp_path: Path) -> None:
        write_voc2012(tmp_path, {"a": MASK})
        names = [f"2007_{number:06d}" for number in range(5000)]
        (tmp_path / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt").write_text("\n".join(names))
        dataset = load_dataset("voc2012", tmp_path, NONE)
        assert [sample.key for sample in dataset.samples] == names


class TestContext:
    MASK = np.array([[0, 1, 59], [37, 255, 0]])

    @pytest.mark.parametrize("below", ["", "VOCdevkit", "VOCdevkit/VOC2010"])
    @pytest.mark.parametrize("name", ["context59", "context60"])
    def test_where_the_root_may_be(self, name: str, below: str, tmp_path: Path) -> None:
        dataset = load_dataset(name, write_context(tmp_path, {"a": self.MASK}) / below, NONE)
        home = tmp_path / "VOCdevkit" / "VOC2010"
        assert dataset.root == home
        assert dataset.samples[0].image == home / "JPEGImages" / "a.jpg"
        assert dataset.samples[0].mask == home / "SegmentationClassContext" / "a.png"

    def test_context60(self, tmp_path: Path) -> None:
        dataset = load_dataset("context60", write_context(tmp_path, {"a": self.MASK}), NONE)
        assert dataset.classes == ("background", *CONTEXT_CLASSES)
        assert dataset.background_threshold == 0.35
        assert truth(dataset, 0, (2, 3)) == [[0, 1, 59], [37, IGNORE, 0]]
        assert dataset.class_of_value[60] == ILLEGAL

    def test_context59(self, tmp_path: Path) -> None:
        dataset = load_dataset("context59", write_context(tmp_path, {"a": self.MASK}), NONE)
        assert dataset.classes == CONTEXT_CLASSES
        assert not dataset.background
        assert truth(dataset, 0, (2, 3)) == [[IGNORE, 0, 58], [36, IGNORE, IGNORE]]
        assert dataset.class_of_value[60] == ILLEGAL

    def test_voc_masks_are_not_taken_for_them(self, tmp_path: Path) -> None:
        write_voc2012(tmp_path, {"a": MASK})
        (tmp_path / "VOCdevkit" / "VOC2012").rename(tmp_path / "VOCdevkit" / "VOC2010")
        error = refused("context59", tmp_path, says="SegmentationClassContext")
        assert "trainval_merged.json" in str(error.fix)

    def test_another_split(self, tmp_path: Path) -> None:
        write_context(tmp_path, {"a": self.MASK}, split="train")
        dataset = load_dataset("context59", tmp_path, DatasetOptions(split="train"))
        assert len(dataset.samples) == 1
