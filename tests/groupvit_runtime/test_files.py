"""Whole or not at all."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from groupvit_runtime.errors import GroupViTError
from groupvit_runtime.files import staged_folder, write_atomically


def make_bundle(path: Path, text: str = "{}") -> None:
    path.mkdir()
    (path / "manifest.json").write_text(text)


def test_a_staged_folder_appears_whole(tmp_path: Path) -> None:
    target = tmp_path / "deep" / "bundle"
    with staged_folder(target, force=False) as stage:
        (stage / "manifest.json").write_text("{}")
        assert not target.exists()
    assert [path.name for path in target.iterdir()] == ["manifest.json"]
    assert [path.name for path in target.parent.iterdir()] == ["bundle"]


def test_an_error_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="half way"), staged_folder(tmp_path / "b", force=False) as stage:
        (stage / "x").write_text("x")
        raise RuntimeError("half way")
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_an_error_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with (
        pytest.raises(GroupViTError, match="cannot be written(.|\n)*No space left"),
        staged_folder(tmp_path / "b", force=False) as stage,
    ):
        (stage / "x").write_text("x")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_keeps_the_old_bundle(tmp_path: Path) -> None:
    make_bundle(tmp_path / "b", "old")
    with pytest.raises(KeyboardInterrupt), staged_folder(tmp_path / "b", force=True) as stage:
        (stage / "manifest.json").write_text("new")
        raise KeyboardInterrupt
    assert (tmp_path / "b" / "manifest.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_force_replaces_a_bundle(tmp_path: Path) -> None:
    make_bundle(tmp_path / "b", "old")
    (tmp_path / "b" / "left-over").write_text("x")
    with staged_folder(tmp_path / "b", force=True) as stage:
        (stage / "manifest.json").write_text("new")
    assert {path.name for path in (tmp_path / "b").iterdir()} == {"manifest.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_without_force_an_existing_path_is_refused(tmp_path: Path) -> None:
    make_bundle(tmp_path / "b")
    with (
        pytest.raises(GroupViTError, match="exists already(.|\n)*--force"),
        staged_folder(tmp_path / "b", force=False),
    ):
        pass


def test_force_does_not_delete_what_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    with pytest.raises(GroupViTError, match="bundles only"), staged_folder(tmp_path / "home", force=True):
        pass
    assert (tmp_path / "home" / "thesis.tex").read_text() == "years of work"


def test_a_folder_that_cannot_be_made_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with (
        pytest.raises(GroupViTError, match="cannot be written"),
        staged_folder(tmp_path / "file" / "b", force=False),
    ):
        pass


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "a"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o644
    assert [item.name for item in tmp_path.iterdir()] == ["a"]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GroupViTError, match="cannot be written"):
        write_atomically(tmp_path / "none" / "a", b"x")
