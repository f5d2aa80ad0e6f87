"""Images of a folder, of a data set, and of the package."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from groupvit_export.data.datasets import DatasetError
from groupvit_export.data.images import bundled_images, read_images
from groupvit_export.errors import GroupViTError, ImageError


def _write(folder: Path, count: int, size: tuple[int, int] = (8, 6)) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.new("RGB", size, (index, 0, 0)).save(folder / f"{index:03}.png")


def _write_masks(folder: Path, count: int) -> None:
    folder.mkdir()
    for index in range(count):
        Image.new("L", (8, 6)).save(folder / f"{index:03}.png")


def test_plain_images_have_no_truth(tmp_path: Path) -> None:
    _write(tmp_path, 3)
    found = read_images(tmp_path)
    assert sorted(found.images) == ["000.png", "001.png", "002.png"]
    assert found.truth is None and found.classes is None
    first, second = found.halves()
    assert sorted(first.images) == ["000.png", "002.png"] and list(second.images) == ["001.png"]


def test_masks_are_read_and_shrunk_with_their_images(tmp_path: Path) -> None:
    _write(tmp_path / "images", 2, size=(2048, 100))
    (tmp_path / "masks").mkdir()
    for index in range(2):
        mask = np.zeros((100, 2048), np.uint8)
        mask[:, 1024:] = index
        Image.fromarray(mask).save(tmp_path / "masks" / f"{index:03}.png")
    (tmp_path / "classes.txt").write_text("background\nboat\n")
    found = read_images(tmp_path)
    assert found.classes == ("background", "boat") and found.background_threshold == 0.95
    assert found.truth is not None
    assert found.images["001"].shape == (50, 1024, 3) and found.truth["001"].shape == (50, 1024)
    np.testing.assert_array_equal(found.truth["001"][:, 512:], 1)
    np.testing.assert_array_equal(found.truth["001"][:, :512], 0)


@pytest.mark.parametrize("masks", [False, True])
def test_many_images_are_thinned_out_evenly(tmp_path: Path, masks: bool) -> None:
    _write(tmp_path / "images" if masks else tmp_path, 12)
    if masks:
        _write_masks(tmp_path / "masks", 12)
        (tmp_path / "classes.txt").write_text("boat\n")
    found = read_images(tmp_path, 4)
    assert [Path(name).stem for name in found.images] == ["000", "002", "005", "010"]
    assert found.found == 12 and "4 of 12" in found.source
    assert (found.truth is not None) == masks


def test_masks_of_images_that_are_shown_turned_are_remarked_on(tmp_path: Path) -> None:
    _write(tmp_path / "images", 2, size=(8, 8))
    (tmp_path / "masks").mkdir()
    (tmp_path / "classes.txt").write_text("boat\n")
    for index in range(2):
        Image.new("L", (8, 8)).save(tmp_path / "masks" / f"{index:03}.png")
    assert read_images(tmp_path).cautions == ()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 8)).save(tmp_path / "images" / "001.png", exif=exif)
    (line,) = read_images(tmp_path).cautions
    assert line.startswith("1 of 2 images has an EXIF orientation: masks are taken to be upright")
    # Without masks nothing can lie otherwise.
    assert read_images(tmp_path / "images").cautions == ()


@pytest.mark.parametrize("kind", ["missing", "empty", "damaged", "no classes"])
def test_what_cannot_be_used_is_refused(tmp_path: Path, kind: str) -> None:
    folder = tmp_path / "images"
    expected: type[GroupViTError] = ImageError
    if kind != "missing":
        folder.mkdir()
    if kind == "damaged":
        (folder / "a.jpg").write_bytes(b"not an image")
    if kind == "no classes":
        expected = DatasetError
        _write(folder / "images", 1)
        _write(folder / "masks", 1)
    with pytest.raises(expected):
        read_images(folder)


def test_the_scenes_of_the_package_have_truth_for_the_demo_only() -> None:
    with_truth, without = bundled_images(with_truth=True), bundled_images(with_truth=False)
    assert with_truth.truth is not None and with_truth.truth.keys() == with_truth.images.keys()
    assert with_truth.classes is not None and "house" in with_truth.classes
    assert without.truth is None and without.classes is None
    assert len(without.images) == 19
