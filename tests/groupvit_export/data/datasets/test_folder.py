"""A folder of images, masks and class names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dataset_support import (
    MASK,
    NONE,
    refused,
    truth,
    write_folder,
    write_image,
    write_mask,
)

from groupvit_export.data.dataset import IGNORE, ILLEGAL
from groupvit_export.data.datasets import DatasetOptions, load_dataset
from groupvit_export.data.truth import TruthError
from groupvit_export.errors import UsageError


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
