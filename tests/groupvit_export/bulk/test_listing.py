"""Which files a folder, a pattern and a name mean; URIs are in test_ray.py, which has Arrow."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from groupvit_export.bulk.listing import _matches, list_files, list_images
from groupvit_export.bulk.sources import guess_kind
from groupvit_export.errors import GroupViTError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.png", "b/c.jpg", "b/Käse.png", "b/a.labels.png", "b/without", ".hidden.png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        Image.new("RGB", (2, 2)).save(path, "PNG")
    (tmp_path / "b" / "notes.txt").write_text("no image")
    return tmp_path


def test_a_folder_is_gone_through_to_its_end(tree: Path) -> None:
    names = ("a.png", "b/Käse.png", "b/c.jpg", "b/without")
    assert list_images(str(tree)) == [str(tree / name) for name in names]


def test_a_pattern_and_a_file(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree)
    assert list_images("**/*.jpg") == [str(tree / "b" / "c.jpg")]
    assert list_images("b/*.png") == [str(tree / "b" / "Käse.png")]
    # What is named by itself need not look like an image: then its row says so.
    assert list_images("b/notes.txt") == [str(tree / "b" / "notes.txt")]


def test_tables_of_a_folder_are_those_of_their_ending(tree: Path) -> None:
    for name in ("x.parquet", "b/y.PARQUET", "b/_metadata.parquet"):
        (tree / name).touch()
    found = [str(tree / "b" / "y.PARQUET"), str(tree / "x.parquet")]
    assert list_files(str(tree), (".parquet",)) == found


@pytest.mark.parametrize("place", ["nothing", "*.webp", "b/*.labels.png"])
def test_nothing_to_read_is_an_error(tree: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.chdir(tree)
    with pytest.raises(GroupViTError, match="nothing to read"):
        list_images(place)


@pytest.mark.parametrize(
    ("path", "pattern", "fits"),
    [
        ("k/a.jpg", "k/*.jpg", True),
        ("k/l/a.jpg", "k/*.jpg", False),
        ("k/l/a.jpg", "k/**/*.jpg", True),
        ("k/a.jpg", "k/**/*.jpg", True),
        ("k/l/m/a.jpg", "**", True),
        ("k/A.jpg", "k/[ab].jpg", False),
    ],
)
def test_patterns_of_uris_are_those_of_folders(path: str, pattern: str, fits: bool) -> None:
    assert _matches(path.split("/"), pattern.split("/")) == fits


def test_an_ending_says_what_is_in_a_file() -> None:
    places = ("s3://b/t.parquet", "shards/*.tar", "folder", "a.jpg")
    assert [guess_kind(place) for place in places] == ["parquet", "webdataset", "images", "images"]
