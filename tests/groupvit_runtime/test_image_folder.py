"""What of a folder is taken for an image, and that nothing is left out without a word."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image

from groupvit_runtime.errors import ImageError
from groupvit_runtime.image_folder import image_folder


def save(path: Path, format: str = "JPEG") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 6)).save(path, format)


def names(folder: Path, *, recursive: bool = False) -> list[str]:
    return [str(path.relative_to(folder)) for path in image_folder(folder, recursive=recursive).images]


def test_every_registered_name_in_any_case(tmp_path: Path) -> None:
    expected = [
        "a.jpg",
        "b.jfif",
        "c.JPE",
        "d.HEIC",
        "e.jp2",
        "f.mpo",
        "g.ico",
        "h.TGA",
        "i.qoi",
        "j.pcx",
        "k.apng",
    ]
    for name in expected:
        save(tmp_path / name)
    assert names(tmp_path) == expected
    assert image_folder(tmp_path).left_out_line() is None


@pytest.mark.parametrize(
    "format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "PPM", "AVIF", "JPEG2000", "QOI"]
)
def test_by_its_contents(format: str, tmp_path: Path) -> None:
    save(tmp_path / "upload", format)
    save(tmp_path / "upload.dat", format)
    assert names(tmp_path) == ["upload", "upload.dat"]


def test_what_is_left_out_is_counted_and_named(tmp_path: Path) -> None:
    for name in ("a.png", "a.labels.png", "a.overlay.png", ".hidden.png", "below/b.png"):
        save(tmp_path / name, "PNG")
    (tmp_path / "notes.txt").write_text("not an image")
    os.mkfifo(tmp_path / "pipe.png")
    assert names(tmp_path) == ["a.png"]
    line = image_folder(tmp_path).left_out_line()
    assert line is not None
    assert "6 entries" in line and "and 1 more" in line
    for part in (
        ".hidden.png (hidden)",
        "a.labels.png (a result of segment)",
        "below (a folder; --recursive)",
    ):
        assert part in line


def test_recursive(tmp_path: Path) -> None:
    for name in ("b.png", "a/c.png", "a/deep/d.png", ".git/e.png"):
        save(tmp_path / name, "PNG")
    (tmp_path / "round").symlink_to(tmp_path)
    (tmp_path / "empty").mkdir()
    assert names(tmp_path, recursive=True) == ["a/c.png", "a/deep/d.png", "b.png"]
    line = image_folder(tmp_path, recursive=True).left_out_line()
    assert line is not None
    assert ".git (hidden)" in line and "round (a link to a folder)" in line


def test_a_folder_below_that_may_not_be_read_costs_none_of_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("a.png", "below/b.png"):
        save(tmp_path / name, "PNG")
    scan = os.scandir

    # The tests may run as root, whom no permission stops.
    def denied(path: Path) -> object:
        if str(path) == str(tmp_path / "below"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)
    found = image_folder(tmp_path, recursive=True)
    assert [path.name for path in found.images] == ["a.png"]
    assert found.left_out == ((tmp_path / "below", "Permission denied"),)
    with pytest.raises(ImageError, match="Permission denied"):
        image_folder(tmp_path / "below")


def test_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "a.png", "PNG")
    (tmp_path / "notes.txt").write_text("not an image")
    monkeypatch.chdir(tmp_path)
    assert image_folder(Path()).images == (Path("a.png"),)
    assert "notes.txt (no image)" in (image_folder(Path()).left_out_line() or "")


def test_a_folder_of_nothing_else_says_what_there_was(tmp_path: Path) -> None:
    save(tmp_path / "below" / "b.png", "PNG")
    with pytest.raises(ImageError, match="has no images(.|\n)*below(.|\n)*fix: add --recursive"):
        image_folder(tmp_path)
    with pytest.raises(ImageError, match="not there"):
        image_folder(tmp_path / "gone")
