"""Whole or not at all."""

from __future__ import annotations

import errno
import json
import os
import stat
import threading
from pathlib import Path

import pytest
from bad_bundles import OTHER_MANIFESTS, make_older
from damaged_bundles import full_manifest

from groupvit_runtime import files
from groupvit_runtime.errors import GroupViTError
from groupvit_runtime.files import check_writable, staged_folder, utf8_path, write_atomically


def make_bundle(path: Path, **fields: object) -> None:
    path.mkdir()
    (path / "manifest.json").write_text(json.dumps({"format": "groupvit-bundle", **fields}))


def test_a_name_may_be_as_long_as_a_name_can_be(tmp_path: Path) -> None:
    longest = "a" * 255
    write_atomically(tmp_path / longest, b"x")
    assert (tmp_path / longest).read_bytes() == b"x"
    with pytest.raises(GroupViTError, match="256 bytes(.|\n)*fix: give a shorter name"):
        write_atomically(tmp_path / (longest + "a"), b"x")
    assert [path.name for path in tmp_path.iterdir()] == [longest]


def test_so_may_a_folders(tmp_path: Path) -> None:
    for force in (False, True):
        with staged_folder(tmp_path / ("a" * 255), force=force) as stage:
            make_bundle(stage / "inner")
            (stage / "inner" / "manifest.json").rename(stage / "manifest.json")
    assert [path.name for path in tmp_path.iterdir()] == ["a" * 255]


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
    make_bundle(tmp_path / "b", name="old")
    with pytest.raises(KeyboardInterrupt), staged_folder(tmp_path / "b", force=True) as stage:
        (stage / "manifest.json").write_text("new")
        raise KeyboardInterrupt
    assert "old" in (tmp_path / "b" / "manifest.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_force_replaces_a_bundle(tmp_path: Path) -> None:
    make_bundle(tmp_path / "b", name="old")
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


@pytest.mark.parametrize("what", OTHER_MANIFESTS)
def test_force_does_not_delete_what_has_a_manifest_of_another_kind(tmp_path: Path, what: str) -> None:
    (tmp_path / "theirs").mkdir()
    text = json.dumps(OTHER_MANIFESTS[what])
    (tmp_path / "theirs" / "manifest.json").write_text(text)
    with pytest.raises(GroupViTError, match="bundles only"), staged_folder(tmp_path / "theirs", force=True):
        pass
    assert (tmp_path / "theirs" / "manifest.json").read_text() == text


@pytest.mark.parametrize("schema", [{"major": 5, "minor": 0}, {"major": 9, "minor": 1}, None])
def test_force_replaces_a_bundle_of_any_schema(tmp_path: Path, schema: object) -> None:
    make_bundle(tmp_path / "b", schema_version=schema)
    with staged_folder(tmp_path / "b", force=True) as stage:
        (stage / "new").touch()
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["new"]


def test_force_replaces_a_bundle_of_the_first_edition(tmp_path: Path) -> None:
    """Which is refused with the command that makes it anew, into the same folder."""
    value = json.loads(full_manifest().to_text())
    make_older(value, 4)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "manifest.json").write_text(json.dumps(value))
    with staged_folder(tmp_path / "b", force=True) as stage:
        (stage / "new").touch()
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["new"]


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_force_does_not_delete_what_has_a_manifest_that_nobody_can_read(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "manifest.json").write_bytes(data)
    with pytest.raises(GroupViTError, match="bundles only"), staged_folder(tmp_path / "theirs", force=True):
        pass


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


def test_what_is_no_file_is_written_into_and_stays_what_it_is(tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        write_atomically(fifo, b"data")
        assert os.read(reader, 9) == b"data"
    finally:
        os.close(reader)
    assert stat.S_ISFIFO(fifo.stat().st_mode) and list(tmp_path.iterdir()) == [fifo]
    # By a link: were it replaced, it would be the link.
    (tmp_path / "full").symlink_to("/dev/full")
    with pytest.raises(GroupViTError, match="No space left"):
        write_atomically(tmp_path / "full", b"data")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_a_link_keeps_leading_where_it_led(tmp_path: Path) -> None:
    (tmp_path / "run-1").mkdir()
    link = tmp_path / "latest.txt"
    link.symlink_to(tmp_path / "run-1" / "a.txt")
    for data in (b"new", b"again"):
        write_atomically(link, data)
        assert link.is_symlink() and (tmp_path / "run-1" / "a.txt").read_bytes() == data


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(GroupViTError, match="cannot be written"):
        write_atomically(tmp_path / "none" / "a", b"x")


def test_a_name_that_is_not_utf8_is_lent_another(tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"caf\xe9.onnx")
    try:
        path.write_bytes(b"data")
    except OSError:
        pytest.skip("this file system takes no name that is not UTF-8")
    with utf8_path(path) as name:
        assert str(name).isascii() and name.suffix == ".onnx" and name.read_bytes() == b"data"
    assert not name.exists() and path.read_bytes() == b"data"
    with utf8_path(tmp_path / "猫") as name:
        assert name == tmp_path / "猫"


def a_bundle(at: Path, name: str, *, force: bool = True) -> None:
    with staged_folder(at, force=force) as stage:
        make_bundle(stage / "inner", name=name)
        (stage / "inner" / "manifest.json").rename(stage / "manifest.json")


def test_while_a_bundle_is_replaced_there_is_one_at_every_moment(tmp_path: Path) -> None:
    """Two replace it, and a reader looks."""
    target, failed = tmp_path / "b", []
    a_bundle(target, "first")

    def replace(name: str) -> None:
        try:
            for _ in range(100):
                a_bundle(target, name)
        except BaseException as error:
            failed.append(error)
            raise

    threads = [threading.Thread(target=replace, args=[name]) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert (target / "manifest.json").is_file()
    assert failed == []
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    assert [path.name for path in target.iterdir()] == ["manifest.json", "inner"]


def test_of_two_that_make_the_same_bundle_without_force_one_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(GroupViTError, match="exists already(.|\n)*--force"),
        staged_folder(tmp_path / "b", force=False) as stage,
    ):
        (stage / "manifest.json").write_text("mine")
        a_bundle(tmp_path / "b", "theirs", force=False)
    assert "theirs" in (tmp_path / "b" / "manifest.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["b"]


def test_where_names_cannot_be_exchanged_the_old_bundle_is_kept_until_the_new_one_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_exchange", lambda first, second: False)
    target = tmp_path / "b"
    a_bundle(target, "old")
    a_bundle(target, "new")
    assert "new" in (target / "manifest.json").read_text()
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
    rename, calls = Path.rename, []

    def refuse(self: Path, to: Path) -> Path:
        calls.append(to)
        # Onto what is there, and aside, go as usual; into its place goes neither the new one nor the old.
        if to == target and len(calls) > 2:
            raise PermissionError(errno.EACCES, "Permission denied", str(to))
        return rename(self, to)

    with pytest.raises(GroupViTError, match="not be put back(.|\n)*fix: the old bundle is whole: mv "):
        try:
            with staged_folder(target, force=True) as stage:
                (stage / "manifest.json").write_text("newer")
                monkeypatch.setattr(Path, "rename", refuse)
        finally:
            monkeypatch.undo()
    (kept,) = tmp_path.iterdir()
    assert "new" in (kept / "manifest.json").read_text()


@pytest.mark.parametrize("at", ["missing/file", "folder", "a" * 256])
def test_a_file_that_could_not_be_written_is_told_beforehand(tmp_path: Path, at: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(GroupViTError, match="the output cannot"):
        check_writable(tmp_path / at)
    check_writable(tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
