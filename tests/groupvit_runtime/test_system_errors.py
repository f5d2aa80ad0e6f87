"""Errors of the operating system as messages, and those that libraries lose."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.models import BPE

from groupvit_runtime.system_errors import keeping_system_errors, system_refusal


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (errno.ENOSPC, "the disk is full"),
        (errno.EACCES, "permission is denied"),
        (errno.EROFS, "read-only"),
        (errno.ENAMETOOLONG, "too long"),
        (errno.EBUSY, "the operating system refuses"),
    ],
)
def test_what_where_and_what_mends_it(code: int, words: str) -> None:
    told = system_refusal(OSError(code, os.strerror(code), "some/place"))
    assert words in told.what
    assert str(told.got).startswith(f"some/place: {os.strerror(code)}")
    assert told.expected and told.fix


def test_a_full_disk_says_what_is_left_where(tmp_path: Path) -> None:
    told = system_refusal(OSError(errno.ENOSPC, "No space left on device"), path=tmp_path)
    assert str(tmp_path) in str(told.got) and tempfile.gettempdir() in str(told.got)


def test_the_number_is_read_from_the_text_of_a_library(tmp_path: Path) -> None:
    with pytest.raises(IsADirectoryError) as caught, keeping_system_errors(tmp_path):
        Tokenizer(BPE()).save(str(tmp_path))
    assert caught.value.errno == errno.EISDIR


def test_where_a_library_says_nothing_the_folder_is_tried(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(RuntimeError, match="mine"), keeping_system_errors(tmp_path):
        raise RuntimeError("mine")
    resource = pytest.importorskip("resource", reason="this system has no limits to set")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with pytest.raises(OSError, match="File too large"):
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
            with keeping_system_errors(tmp_path):
                raise RuntimeError("iostream error")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []
