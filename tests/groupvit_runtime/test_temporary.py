"""Temporaries: those of the dead go, those of the living stay."""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from groupvit_runtime.errors import GroupViTError
from groupvit_runtime.files import write_atomically
from groupvit_runtime.temporary import make_file, make_folder, make_scratch, scratch_folder, scratch_place

pytestmark = pytest.mark.skipif(os.name == "nt", reason="on Windows nothing is taken for dead")

KILLED = """
import os, signal, sys
from pathlib import Path
from groupvit_runtime.temporary import make_file, make_folder, make_scratch
held = [make_folder(Path(sys.argv[1])), make_file(Path(sys.argv[1])), make_scratch("test")]
(held[0][1] / "deep").mkdir()
(held[0][1] / "deep" / "file").touch()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return folder


def test_what_a_killed_process_left_goes_with_the_next(tmp_path: Path, temporary: Path) -> None:
    here = tmp_path / "here"
    here.mkdir()
    subprocess.run([sys.executable, "-c", KILLED, str(here)], check=False)
    assert len(list(here.iterdir())) == 2 and len(list(scratch_place().iterdir())) == 1
    write_atomically(here / "file", b"")
    assert [path.name for path in here.iterdir()] == ["file"]
    with scratch_folder("test") as own:
        assert list(own.parent.iterdir()) == [own]
    assert list(temporary.iterdir()) == []


def test_what_is_in_use_stays_and_so_does_what_is_not_ours(tmp_path: Path, temporary: Path) -> None:
    mine = [make_folder(tmp_path), make_file(tmp_path)]
    others = [tmp_path / ".groupvit-old-x", tmp_path / ".groupvit-00000000-other-machine"]
    for path in others:
        path.mkdir()
    # Of the same beginning as ours, and leading where nothing may be removed.
    target = tmp_path / "precious"
    target.mkdir()
    (target / "file").touch()
    link = tmp_path / mine[0][1].name.replace(mine[0][1].name[-8:], "linklink")
    link.symlink_to(target)
    for descriptor, path in [make_folder(tmp_path), make_file(tmp_path)]:
        os.close(descriptor)
        path.rmdir() if path.is_dir() else path.unlink()
    assert all(path.exists() for _, path in mine) and all(path.is_dir() for path in others)
    assert link.is_symlink() and (target / "file").exists()
    for descriptor, _ in mine:
        os.close(descriptor)
    os.close(make_folder(tmp_path)[0])
    assert not mine[0][1].exists() and not mine[1][1].exists()


@pytest.mark.parametrize("what", ["a file", "a link", "open to all"])
def test_a_place_that_is_somebody_elses_is_refused(tmp_path: Path, temporary: Path, what: str) -> None:
    place = temporary / f"groupvit-{os.geteuid()}"
    if what == "a file":
        place.touch()
    elif what == "a link":
        place.symlink_to(tmp_path)
    else:
        place.mkdir()
        place.chmod(0o777)
    with pytest.raises(GroupViTError, match="not this user's(.|\n)*TMPDIR="), scratch_folder("test"):
        pass


@pytest.mark.parametrize("code", [errno.EMFILE, errno.EIO, errno.EACCES])
def test_a_folder_that_cannot_be_owned_does_not_stay(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    really = os.open

    def fails(path: object, flags: int, *more: int, **named: int | None) -> int:
        if flags & os.O_DIRECTORY:
            raise OSError(code, os.strerror(code), str(path))
        return really(path, flags, *more, **named)  # type: ignore[call-overload, no-any-return]

    monkeypatch.setattr(os, "open", fails)
    for make in (lambda: make_folder(tmp_path, "own-"), lambda: make_scratch("test")):
        with pytest.raises(OSError, match=re.escape(os.strerror(code))):
            make()
    assert [path.name for path in tmp_path.iterdir()] == ["temporary"] and list(temporary.iterdir()) == []


def test_a_removal_that_fails_once_is_tried_again(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    really = os.open
    failed: list[object] = []

    def fails_once(path: object, flags: int, *more: int, **named: int | None) -> int:
        if str(path).endswith("deep") and not failed:
            failed.append(path)
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))
        return really(path, flags, *more, **named)  # type: ignore[call-overload, no-any-return]

    with scratch_folder("test") as own:
        (own / "deep").mkdir()
        (own / "deep" / "file").touch()
        monkeypatch.setattr(os, "open", fails_once)
    assert failed and list(temporary.iterdir()) == []
