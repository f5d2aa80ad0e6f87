"""The journal: what survives a kill, what is refused, and what counts as damage."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from evaluation_support import make_identity

from groupvit_export.errors import GroupViTError
from groupvit_export.evaluate.journal import JOURNAL_NAME, Entry, Journal
from groupvit_export.evaluate.outcome import Failed, Measured, Run

ENTRIES: list[Entry] = [
    Measured("a/0 ü\n", ((0, 0, 7), (1, 3, 2)), 4, True, 12.5),
    Failed("b", "cannot be read", "nothing", None, "fetch it"),
    Measured("c", (), 0, False, 1.0),
    Run(2, 3.5, 4, None),
]


def opened(folder: Path, *, force: bool = False, **changes: object) -> Journal:
    return Journal.open(folder, make_identity(**changes), root=Path("data"), force=force)


def written(folder: Path) -> Path:
    with opened(folder) as journal:
        for entry in ENTRIES:
            journal.append(entry)
    return folder / JOURNAL_NAME


def test_what_was_appended_is_read_back(tmp_path: Path) -> None:
    written(tmp_path / "new" / "folder")
    with opened(tmp_path / "new" / "folder") as journal:
        assert list(journal.entries()) == ENTRIES
        journal.append(Measured("d", (), 0, False, 0.5))
        assert [*journal.entries()][-1].key == "d"


def test_it_is_json_a_line_with_everything_that_the_numbers_depend_on(tmp_path: Path) -> None:
    lines = [json.loads(line) for line in written(tmp_path).read_text().splitlines()]
    assert lines[0]["format"] == "groupvit-eval-journal"
    assert lines[0]["identity"]["classes"] == ["background", "cat", "dog", "owl"]
    assert lines[0]["root"] == "data"
    assert lines[1] == {
        "measured": {
            "key": "a/0 ü\n",
            "cells": [[0, 0, 7], [1, 3, 2]],
            "ignored": 4,
            "turned": True,
            "milliseconds": 12.5,
        }
    }
    assert len(lines) == 1 + len(ENTRIES)


def test_cut_anywhere_it_is_the_whole_lines_before_the_cut(tmp_path: Path) -> None:
    whole = written(tmp_path).read_bytes()
    ends = [index + 1 for index, byte in enumerate(whole) if byte == ord("\n")]
    path = tmp_path / JOURNAL_NAME
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        with opened(tmp_path) as journal:
            left = max(sum(end <= size for end in ends) - 1, 0)
            assert list(journal.entries()) == ENTRIES[:left], size
            for entry in ENTRIES[left:]:
                journal.append(entry)
        assert path.read_bytes() == whole, size


def test_a_long_cut_line_is_dropped(tmp_path: Path) -> None:
    path = written(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"measured": {"key": "' + b"x" * 200_000)
    with opened(tmp_path) as journal:
        assert list(journal.entries()) == ENTRIES
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"other": {}}',
        b'{"measured": 3}',
        b'{"measured": {"key": "x", "cells": [], "milliseconds": 1, "more": 1}}',
        b'{"measured": {"key": "x", "cells": [[0, 4, 1]], "milliseconds": 1}}',
        b'{"measured": {"key": "x", "cells": [[0, 0]], "milliseconds": 1}}',
        b'{"measured": {"key": "x", "cells": [[0, 0, 1.5]], "milliseconds": 1}}',
        b'{"measured": {"key": "c", "cells": [], "milliseconds": 1}}',
        b"\xff\xfe",
    ],
)
def test_damage_in_the_middle_names_the_line_and_the_fix(tmp_path: Path, line: bytes) -> None:
    path = written(tmp_path)
    lines = path.read_bytes().splitlines(keepends=True)
    # Before the last line but one, behind the image "c".
    path.write_bytes(b"".join([*lines[:4], line + b"\n", *lines[4:]]))
    with opened(tmp_path) as journal, pytest.raises(GroupViTError, match="damaged") as caught:
        list(journal.entries())
    assert "line 5" in str(caught.value.got) and "delete line 5" in str(caught.value.fix)


@pytest.mark.parametrize("changes", [{"decode": "paper"}, {"engine": "other", "classes": ("a", "b")}])
def test_another_evaluation_is_refused_by_what_differs(tmp_path: Path, changes: dict[str, object]) -> None:
    before = written(tmp_path).read_bytes()
    with pytest.raises(GroupViTError, match="another evaluation") as caught:
        opened(tmp_path, **changes)
    for name in changes:
        assert name in caught.value.what
    assert "fingerprint" not in caught.value.what
    assert "-o" in str(caught.value.fix) and "--force" in str(caught.value.fix)
    assert (tmp_path / JOURNAL_NAME).read_bytes() == before
    with opened(tmp_path, force=True, **changes) as journal:
        assert list(journal.entries()) == []


def test_a_header_of_another_schema_or_none(tmp_path: Path) -> None:
    path = written(tmp_path)
    text = path.read_text()
    path.write_text(text.replace('"schema_version": 2', '"schema_version": 9', 1))
    with pytest.raises(GroupViTError, match="schema version"):
        opened(tmp_path)
    path.write_text(text.replace('"identity"', '"identify"', 1))
    with pytest.raises(GroupViTError, match="damaged"):
        opened(tmp_path)
    with opened(tmp_path, force=True) as journal:
        assert list(journal.entries()) == []


@pytest.mark.parametrize("contents", ["my diary\nday 1\n", "my diary", "\n", '{"form\n'])
@pytest.mark.parametrize("force", [False, True])
def test_a_file_that_is_no_journal_is_never_touched(tmp_path: Path, contents: str, force: bool) -> None:
    (tmp_path / JOURNAL_NAME).write_text(contents)
    with pytest.raises(GroupViTError, match="no journal"):
        opened(tmp_path, force=force)
    assert (tmp_path / JOURNAL_NAME).read_text() == contents


@pytest.mark.skipif(sys.platform == "win32", reason="there is no flock on Windows")
class TestLock:
    def test_a_second_evaluation_is_refused_even_with_force(self, tmp_path: Path) -> None:
        with opened(tmp_path) as journal:
            journal.append(ENTRIES[0])
            for force in (False, True):
                with pytest.raises(GroupViTError, match="another evaluation is writing"):
                    opened(tmp_path, force=force)
            assert list(journal.entries()) == ENTRIES[:1]
        with opened(tmp_path) as journal:
            assert list(journal.entries()) == ENTRIES[:1]

    def test_a_killed_process_leaves_no_lock(self, tmp_path: Path) -> None:
        code = (
            "import sys; from pathlib import Path\n"
            "from groupvit_export.evaluate.journal import Journal\n"
            "from evaluation_support import make_identity\n"
            "journal = Journal.open(Path(sys.argv[1]), make_identity(), root=Path('data'))\n"
            "print('open', flush=True); sys.stdin.read()\n"
        )
        support = str(Path(__file__).parents[2] / "support")
        with subprocess.Popen(
            [sys.executable, "-c", f"import sys; sys.path.insert(0, {support!r})\n{code}", str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "open\n"
            with pytest.raises(GroupViTError, match="another evaluation is writing"):
                opened(tmp_path)
            process.kill()
        with opened(tmp_path) as journal:
            assert list(journal.entries()) == []


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(GroupViTError, match="cannot be written") as caught:
        opened(tmp_path / "file" / "out")
    assert "-o" in str(caught.value.fix)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_told(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        full = os.open("/dev/full", os.O_WRONLY)
        os.dup2(full, journal._descriptor)
        os.close(full)
        with pytest.raises(GroupViTError, match="cannot be written") as caught:
            journal.append(ENTRIES[0])
        assert "same command" in str(caught.value.fix)
