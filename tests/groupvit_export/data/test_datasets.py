"""Data sets of every layout, and what is said when something is wrong with one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import refusals
from dataset_support import (
    SHAPES_VOCABULARY,
    scenes_document,
    write_coco,
    write_context,
    write_folder,
    write_image,
    write_mask,
    write_shapes,
    write_voc2012,
)
from hypothesis import given
from hypothesis import strategies as st

from groupvit_export.data.dataset import IGNORE, ILLEGAL, Dataset
from groupvit_export.data.datasets import DATASETS, DatasetError, DatasetOptions, load_dataset
from groupvit_export.data.datasets.class_names import COCO_CLASSES, CONTEXT_CLASSES, VOC_CLASSES
from groupvit_export.data.datasets.coco import THING_IDS
from groupvit_export.data.datasets.values import value_table
from groupvit_export.data.truth import TruthError, read_truth
from groupvit_export.errors import GroupViTError, UsageError

MASK = np.array([[0, 1, 1], [2, 255, 0]])
NONE = DatasetOptions()

# The things of panoptic_coco_categories.json (cocodataset/panopticapi), in runs of consecutive ids.
COCO_RUNS: dict[int, str] = {
    1: "person,bicycle,car,motorcycle,airplane,bus,train,truck,boat,traffic light,fire hydrant",
    13: "stop sign,parking meter,bench,bird,cat,dog,horse,sheep,cow,elephant,bear,zebra,giraffe",
    27: "backpack,umbrella",
    31: "handbag,tie,suitcase,frisbee,skis,snowboard,sports ball,kite,baseball bat,baseball glove",
    41: "skateboard,surfboard,tennis racket,bottle",
    46: "wine glass,cup,fork,knife,spoon,bowl,banana,apple,sandwich,orange,broccoli,carrot,hot dog",
    59: "pizza,donut,cake,chair,couch,potted plant,bed",
    67: "dining table",
    70: "toilet",
    72: "tv,laptop,mouse,remote,keyboard,cell phone,microwave,oven,toaster,sink,refrigerator",
    84: "book,clock,vase,scissors,teddy bear,hair drier,toothbrush",
}
COCO_CATEGORIES = {
    first + offset: name for first, names in COCO_RUNS.items() for offset, name in enumerate(names.split(","))
}

LAYOUTS: dict[str, Callable[[Path], Path]] = {
    "shapes": lambda root: write_shapes(root, {"a": MASK}),
    "voc2012": lambda root: write_voc2012(root, {"a": MASK}),
    "context59": lambda root: write_context(root, {"a": MASK}),
    "context60": lambda root: write_context(root, {"a": MASK}),
    "coco-object": lambda root: write_coco(root, {"a": MASK}),
    "folder": lambda root: write_folder(root, {"a": MASK}, ["background", "x", "y"]),
}


def refused(
    name: str,
    root: Path,
    options: DatasetOptions = NONE,
    *,
    kind: type[GroupViTError] = DatasetError,
    says: str | Path = "",
) -> GroupViTError:
    """The error of loading; every one names what it is about and how to mend it."""
    return refusals.refused(kind, lambda: load_dataset(name, root, options), says)


def truth(dataset: Dataset, index: int, size: tuple[int, int]) -> list[list[int]]:
    return read_truth(dataset.samples[index], dataset, size).tolist()


class TestClassNames:
    @pytest.mark.parametrize(
        ("names", "count", "first", "last"),
        [
            (VOC_CLASSES, 20, "aeroplane", "monitor"),
            (CONTEXT_CLASSES, 59, "airplane", "wood"),
            (COCO_CLASSES, 80, "person", "toothbrush"),
        ],
    )
    def test_length_and_order(self, names: tuple[str, ...], count: int, first: str, last: str) -> None:
        assert len(names) == len(set(names)) == count
        assert (names[0], names[-1]) == (first, last)
        assert all(name == name.strip().lower() for name in names)

    def test_context_is_in_the_alphabetical_order_of_its_own_words(self) -> None:
        own = {"airplane": "aeroplane", "monitor": "tvmonitor", "plant": "pottedplant"}
        words = [own.get(name, name) for name in CONTEXT_CLASSES]
        assert words == sorted(words)

    def test_voc_is_in_the_alphabetical_order_of_its_own_words(self) -> None:
        own = {"table": "diningtable", "plant": "pottedplant", "monitor": "tvmonitor"}
        words = [own.get(name, name) for name in VOC_CLASSES]
        assert words == sorted(words)

    def test_coco_has_the_official_ids_and_names(self) -> None:
        assert len(COCO_CATEGORIES) == 80
        assert dict(zip(THING_IDS, COCO_CLASSES, strict=True)) == COCO_CATEGORIES


class TestValueTable:
    @given(st.dictionaries(st.integers(0, 65535), st.integers(0, ILLEGAL - 1), max_size=40), st.data())
    def test_every_value_is_a_class_ignored_or_illegal(self, classes: dict[int, int], data: Any) -> None:
        ignored = data.draw(st.sets(st.integers(0, 65535), max_size=5)) - classes.keys()
        table = value_table(classes, ignored)
        assert table.shape == (65536,)
        assert table.dtype == np.uint16
        for value, found in enumerate(table.tolist()):
            assert found == (IGNORE if value in ignored else classes.get(value, ILLEGAL))


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


class TestSplitFile:
    @staticmethod
    def write(root: Path, content: bytes) -> Path:
        write_voc2012(root, {"a": MASK})
        path = root / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt"
        path.write_bytes(content)
        return path

    @pytest.mark.parametrize(
        "content",
        [b"a\nb", b"a\nb\n", b"a\r\nb\r\n", b"\n a  \n\n\t\nb\n\n", b"\xef\xbb\xbfa\nb\n", b"a\rb\r"],
    )
    def test_white_space_does_not_count(self, content: bytes, tmp_path: Path) -> None:
        self.write(tmp_path, content)
        dataset = load_dataset("voc2012", tmp_path, NONE)
        assert [sample.key for sample in dataset.samples] == ["a", "b"]

    @pytest.mark.parametrize(
        "line", ["/JPEGImages/a.jpg", "..\\a", "../a", "a -1", "a\0b", "/JPEGImages/a.jpg /Mask/a.png"]
    )
    def test_other_lines_are_refused(self, line: str, tmp_path: Path) -> None:
        path = self.write(tmp_path, f"b\n\n{line}\n".encode())
        refused("voc2012", tmp_path, says=f"{path}, line 3: {line!r}")

    def test_a_name_twice(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, b"a\nb\n\na \n")
        refused("voc2012", tmp_path, says=f"{path}, lines 1 and 4: a")

    @pytest.mark.parametrize("content", [b"", b"\n \n"])
    def test_nothing_in_it(self, content: bytes, tmp_path: Path) -> None:
        path = self.write(tmp_path, content)
        assert "lists no image" in refused("voc2012", tmp_path, says=path).what

    def test_no_text(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, b"\xff\xd8\xff")
        assert "UTF-8" in str(refused("voc2012", tmp_path, says=path).expected)


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


class TestFolder:
    def test_lines_are_values(self, tmp_path: Path) -> None:
        dataset = load_dataset("folder", write_folder(tmp_path, {"a": MASK}, ["x", "y z", "w"]), NONE)
        assert dataset.classes == ("x", "y z", "w")
        assert not dataset.background
        assert truth(dataset, 0, (2, 3)) == [[0, 1, 1], [2, IGNORE, 0]]
        assert dataset.class_of_value[3] == ILLEGAL

    @pytest.mark.parametrize("word", ["background", "Background"])
    def test_a_first_line_makes_a_background(self, word: str, tmp_path: Path) -> None:
        dataset = load_dataset("folder", write_folder(tmp_path, {"a": MASK}, [word, "x", "y"]), NONE)
        assert dataset.classes == ("background", "x", "y")
        assert dataset.background
        assert dataset.background_threshold == 0.95

    def test_background_on_another_line_is_a_class(self, tmp_path: Path) -> None:
        dataset = load_dataset("folder", write_folder(tmp_path, {"a": MASK}, ["x", "background"]), NONE)
        assert not dataset.background
        assert dataset.classes == ("x", "background")

    def test_classes_of_another_file(self, tmp_path: Path) -> None:
        root = write_folder(tmp_path / "data", {"a": MASK}, ["x"])
        (root / "classes.txt").unlink()
        other = tmp_path / "names.txt"
        other.write_text("eins\nzwei\ndrei")
        dataset = load_dataset("folder", root, DatasetOptions(classes=other))
        assert dataset.classes == ("eins", "zwei", "drei")
        missing = DatasetOptions(classes=tmp_path / "no.txt")
        refused("folder", root, missing, says=tmp_path / "no.txt")
        refused("folder", root, says="has no classes.txt")

    @pytest.mark.parametrize(
        ("content", "says"),
        [
            ("", "empty"),
            ("\n\n", "empty"),
            ("x\n\ny\n", "label 2 of 3"),
            ("\nx\n", "label 1 of 2"),
            ("x\ny\nX\n", "'x' and 'X'"),
            ("background\n", "background"),
        ],
    )
    def test_class_names_that_cannot_be_used(self, content: str, says: str, tmp_path: Path) -> None:
        root = write_folder(tmp_path, {"a": MASK}, [])
        (root / "classes.txt").write_text(content)
        assert says in str(refused("folder", root, says=root / "classes.txt"))

    def test_more_classes_than_label_maps_have(self, tmp_path: Path) -> None:
        root = write_folder(tmp_path, {"a": MASK}, [f"c{number}" for number in range(65535)])
        refused("folder", root, DatasetOptions(ignore_index=(65535,)), says="65535 names")

    def test_the_ignored_value(self, tmp_path: Path) -> None:
        root = write_folder(tmp_path, {"a": np.array([[0, 7]])}, ["x"])
        dataset = load_dataset("folder", root, DatasetOptions(ignore_index=(7,)))
        assert truth(dataset, 0, (1, 2)) == [[0, IGNORE]]
        assert dataset.class_of_value[255] == ILLEGAL

    @pytest.mark.parametrize("value", [-1, 65536])
    def test_an_ignored_value_that_no_mask_has(self, value: int, tmp_path: Path) -> None:
        root = write_folder(tmp_path, {"a": MASK}, ["x"])
        refused("folder", root, DatasetOptions(ignore_index=(value,)), kind=UsageError, says=value)

    def test_an_ignored_value_that_is_a_class(self, tmp_path: Path) -> None:
        root = write_folder(tmp_path, {"a": MASK}, ["x", "y", "z"])
        options = DatasetOptions(ignore_index=(2,))
        refused("folder", root, options, kind=UsageError, says=root / "classes.txt")
        assert load_dataset("folder", root, DatasetOptions(ignore_index=(3,))).class_of_value[3] == IGNORE

    def test_several_ignored_values(self, tmp_path: Path) -> None:
        root = write_folder(tmp_path, {"a": np.array([[0, 7, 255]])}, ["x"])
        dataset = load_dataset("folder", root, DatasetOptions(ignore_index=(7, 255)))
        assert truth(dataset, 0, (1, 3)) == [[0, IGNORE, IGNORE]]

    def test_zero_is_void_and_classes_count_from_one(self, tmp_path: Path) -> None:
        root = write_folder(tmp_path, {"a": np.array([[0, 1, 2, 255]])}, ["background", "x"])
        dataset = load_dataset("folder", root, DatasetOptions(reduce_zero_label=True))
        assert truth(dataset, 0, (1, 4)) == [[IGNORE, 0, 1, IGNORE]]
        assert dataset.background and dataset.class_of_value[3] == ILLEGAL

    def test_a_void_zero_is_told_how_it_is_read(self, tmp_path: Path) -> None:
        root = write_folder(tmp_path, {"a": np.array([[0, 1, 2]])}, ["x", "y"])
        error = refused("folder", root, DatasetOptions(ignore_index=(0,)), kind=UsageError)
        assert "--reduce-zero-label" in str(error.fix)
        with pytest.raises(TruthError, match="--reduce-zero-label"):
            truth(load_dataset("folder", root, NONE), 0, (1, 3))
        reduced = DatasetOptions(reduce_zero_label=True, ignore_index=(2,))
        assert "1 to 2" in str(refused("folder", root, reduced, kind=UsageError).got)

    def test_values_to_ignore_are_named(self, tmp_path: Path) -> None:
        root = write_folder(tmp_path, {"a": np.array([[0, 7, 254]])}, ["x"])
        with pytest.raises(TruthError, match="--ignore-index 7,254,255"):
            truth(load_dataset("folder", root, NONE), 0, (1, 3))

    def test_the_default_is_a_class_when_there_are_many(self, tmp_path: Path) -> None:
        root = write_folder(tmp_path, {"a": np.array([[0, 255, 299, 65535]])}, [f"c{n}" for n in range(300)])
        refused("folder", root, kind=UsageError, says="255 (the default)")
        dataset = load_dataset("folder", root, DatasetOptions(ignore_index=(65535,)))
        assert truth(dataset, 0, (1, 4)) == [[0, 255, 299, IGNORE]]

    def test_sub_folders_and_other_formats(self, tmp_path: Path) -> None:
        write_folder(tmp_path, {"b/one.two": MASK, "b/c/x": MASK}, ["x"], image_suffix=".JPG")
        write_folder(tmp_path, {"a": MASK}, ["x", "y", "z"], image_suffix=".webp")
        dataset = load_dataset("folder", tmp_path, NONE)
        assert [sample.key for sample in dataset.samples] == ["a", "b/c/x", "b/one.two"]
        assert dataset.samples[1].image == tmp_path / "images/b/c/x.JPG"
        assert dataset.samples[1].mask == tmp_path / "masks/b/c/x.png"
        assert dataset.samples[2].mask == tmp_path / "masks/b/one.two.png"

    def test_other_and_hidden_files_are_not_looked_at(self, tmp_path: Path) -> None:
        write_folder(tmp_path, {"a": MASK}, ["x"])
        write_image(tmp_path / "images/.checkpoints/b.png", (2, 2))
        for name in ("images/._a.png", "images/notes.txt", "masks/._a.png", "masks/thumbs.db"):
            (tmp_path / name).touch()
        assert [sample.key for sample in load_dataset("folder", tmp_path, NONE).samples] == ["a"]

    def test_images_without_a_mask(self, tmp_path: Path) -> None:
        write_folder(tmp_path, {"a": MASK}, ["x"])
        for number in range(7):
            write_image(tmp_path / f"images/b{number}.png", (2, 2))
        error = refused("folder", tmp_path, says="images without a mask")
        assert error.got == f"7 in {tmp_path / 'images'}: b0, b1, b2, b3, b4 and 2 more"

    def test_masks_without_a_image(self, tmp_path: Path) -> None:
        write_folder(tmp_path, {"a": MASK}, ["x"])
        write_mask(tmp_path / "masks/sub/a.png", MASK)
        error = refused("folder", tmp_path, says="masks without an image")
        assert error.got == f"1 in {tmp_path / 'masks'}: sub/a"

    def test_no_images(self, tmp_path: Path) -> None:
        write_folder(tmp_path, {"a": MASK}, ["x"])
        (tmp_path / "images/a.png").unlink()
        refused("folder", tmp_path, says=f"no images in {tmp_path / 'images'}")

    @pytest.mark.parametrize("other", ["images/a.jpg", "masks/a.PNG"])
    def test_two_files_of_one_name(self, other: str, tmp_path: Path) -> None:
        write_folder(tmp_path, {"a": MASK}, ["x"])
        write_image(tmp_path / "b.png", (2, 3))
        (tmp_path / "b.png").rename(tmp_path / other)
        refused("folder", tmp_path, says="two files have one name")

    def test_linked_folders_are_followed(self, tmp_path: Path) -> None:
        root = write_folder(tmp_path / "data", {"a": MASK}, ["x"])
        write_folder(tmp_path / "more", {"b": MASK}, ["x"])
        for kind in ("images", "masks"):
            (root / kind / "linked").symlink_to(tmp_path / "more" / kind)
        keys = [sample.key for sample in load_dataset("folder", root, NONE).samples]
        assert keys == ["a", "linked/b"]

    def test_a_loop_of_links(self, tmp_path: Path) -> None:
        root = write_folder(tmp_path, {"a": MASK}, ["x"])
        (root / "images/loop").symlink_to(root / "images")
        refused("folder", root, says=root / "images/loop")

    def test_a_file_in_the_place_of_a_folder(self, tmp_path: Path) -> None:
        root = write_folder(tmp_path, {"a": MASK}, ["x"])
        (root / "masks/a.png").unlink()
        (root / "masks").rmdir()
        (root / "masks").touch()
        assert "Not a directory" in str(refused("folder", root, says=root / "masks").got)


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
