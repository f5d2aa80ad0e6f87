"""COCO-Object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_support import (
    COCO_CATEGORIES,
    MASK,
    NONE,
    refused,
    truth,
    write_coco,
)

from groupvit_export.data.dataset import IGNORE, ILLEGAL
from groupvit_export.data.datasets import DatasetOptions, load_dataset
from groupvit_export.data.datasets.class_names import COCO_CLASSES


class TestCocoObject:
    @pytest.mark.parametrize("below", ["", "coco"])
    def test_converted_masks(self, below: str, tmp_path: Path) -> None:
        masks = {"000000000139": np.array([[0, 1, 80, 255]]), "000000000017": np.array([[2, 2]])}
        dataset = load_dataset("coco-object", write_coco(tmp_path, masks) / below, NONE)
        assert dataset.root == tmp_path / "coco"
        assert dataset.classes == ("background", *COCO_CLASSES)
        assert dataset.background_threshold == 0.95
        # By name: a folder has no order of its own.
        assert [sample.key for sample in dataset.samples] == ["000000000017", "000000000139"]
        assert dataset.samples[1].image == tmp_path / "coco/images/val2017/000000000139.jpg"
        assert truth(dataset, 1, (1, 4)) == [[0, 1, 80, IGNORE]]
        assert dataset.class_of_value[81] == ILLEGAL

    def test_stuff_maps(self, tmp_path: Path) -> None:
        # Category ids minus one: person, stop sign, toothbrush; the first and last stuff; unlabeled.
        values = np.array([[0, 12, 89, 91, 181, 255]])
        dataset = load_dataset("coco-object", write_coco(tmp_path, {"a": values}, suffix=""), NONE)
        assert dataset.samples[0].mask.name == "a.png"
        assert truth(dataset, 0, (1, 6)) == [[1, 12, 80, 0, 0, 0]]

    def test_every_value_of_stuff_maps(self, tmp_path: Path) -> None:
        dataset = load_dataset("coco-object", write_coco(tmp_path, {"a": MASK}, suffix=""), NONE)
        table = dataset.class_of_value.tolist()
        for position, number in enumerate(COCO_CATEGORIES, 1):
            assert table[number - 1] == position
        assert table[91:182] == [0] * 91
        assert table[255] == 0
        legal = {number - 1 for number in COCO_CATEGORIES} | set(range(91, 182)) | {255}
        assert all(table[value] == ILLEGAL for value in range(65536) if value not in legal)

    def test_converted_masks_come_first(self, tmp_path: Path) -> None:
        write_coco(tmp_path, {"a": MASK}, suffix="")
        write_coco(tmp_path, {"a": MASK})
        dataset = load_dataset("coco-object", tmp_path, NONE)
        assert [sample.mask.name for sample in dataset.samples] == ["a_instanceTrainIds.png"]

    def test_masks_of_another_conversion_are_no_truth(self, tmp_path: Path) -> None:
        write_coco(tmp_path, {"a": MASK}, suffix="_labelTrainIds")
        refused("coco-object", tmp_path, says=f"no masks in {tmp_path / 'coco/annotations/val2017'}")

    def test_no_images(self, tmp_path: Path) -> None:
        write_coco(tmp_path, {"a": MASK})
        (tmp_path / "coco/images/val2017/a.jpg").unlink()
        refused("coco-object", tmp_path, says=f"no images in {tmp_path / 'coco/images/val2017'}")

    def test_what_has_no_counterpart_stays_in_the_list(self, tmp_path: Path) -> None:
        write_coco(tmp_path, {"a": MASK, "b": MASK, "c": MASK})
        (tmp_path / "coco/images/val2017/a.jpg").unlink()
        (tmp_path / "coco/annotations/val2017/b_instanceTrainIds.png").unlink()
        samples = load_dataset("coco-object", tmp_path, NONE).samples
        assert [sample.key for sample in samples] == ["a", "b", "c"]
        assert [sample.image.exists() for sample in samples] == [False, True, True]
        assert [sample.mask.exists() for sample in samples] == [True, False, True]

    def test_other_files_are_not_looked_at(self, tmp_path: Path) -> None:
        write_coco(tmp_path, {"a": MASK})
        for name in ("images/val2017/._a.jpg", "images/val2017/a.txt", "annotations/val2017/._b.png"):
            (tmp_path / "coco" / name).touch()
        assert len(load_dataset("coco-object", tmp_path, NONE).samples) == 1

    def test_another_split(self, tmp_path: Path) -> None:
        write_coco(tmp_path, {"a": MASK}, split="train2017")
        options = DatasetOptions(split="train2017")
        assert len(load_dataset("coco-object", tmp_path, options).samples) == 1
        refused("coco-object", tmp_path, says="has no images/val2017, annotations/val2017")
