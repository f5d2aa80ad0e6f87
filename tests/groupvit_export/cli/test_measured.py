"""What was measured is not lost with its file."""

from __future__ import annotations

import re
import tempfile
from functools import partial
from pathlib import Path

import pytest

from groupvit_export.cli.measured import write_measured
from groupvit_export.errors import GroupViTError
from groupvit_runtime.files import write_atomically


def test_it_is_kept_among_the_temporary_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    write = partial(write_atomically, data=b"dear")
    with pytest.raises(GroupViTError, match="No such file(.|\n)*fix: what was measured is in ") as caught:
        write_measured(tmp_path / "gone" / "a.jsonl", write, quiet=False)
    kept = re.search(r"is in (\S+\.jsonl): mv", str(caught.value))
    assert kept is not None and Path(kept[1]).read_bytes() == b"dear"


def test_where_nothing_can_be_written_the_first_error_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    with pytest.raises(GroupViTError, match="No such file(.|\n)*fix: ls shows"):
        write_measured(tmp_path / "away" / "a.jsonl", partial(write_atomically, data=b"dear"), quiet=False)
