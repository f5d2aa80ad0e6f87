"""Marks of what began and did not end."""

from __future__ import annotations

from pathlib import Path

from local_system import local_folder

from groupvit_export.bulk.attempts import PREFIX, Attempt
from groupvit_export.bulk.parts import part_name


def test_only_what_did_not_end_counts(tmp_path: Path) -> None:
    folder = local_folder(tmp_path)
    assert [Attempt(folder, ["a", "b"]).begin() for _ in range(3)] == [0, 1, 2]
    ended = Attempt(folder, ["ab"])
    assert ended.begin() == 0
    ended.end()
    assert Attempt(folder, ["ab"]).begin() == 0
    assert all(path.name.startswith(PREFIX) for path in tmp_path.iterdir())
    assert len(list(tmp_path.iterdir())) == 2


def test_a_part_is_named_after_its_images() -> None:
    names = {part_name(paths) for paths in (["a", "b"], ["b", "a"], ["ab"], ["a"], ["a\udcff"])}
    assert len(names) == 5
    assert part_name(["a", "b"]) == part_name(["a", "b"])
