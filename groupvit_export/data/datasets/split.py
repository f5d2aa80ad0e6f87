"""Split files: lists of images, one a line."""

from __future__ import annotations

from pathlib import Path

from groupvit_export.data.datasets.errors import DatasetError
from groupvit_export.data.datasets.text_files import is_plain_name, read_text
from groupvit_export.errors import UsageError


def read_split(folder: Path, split: str) -> tuple[str, ...]:
    """Read ``folder/split.txt``. Blank lines and white space around names are skipped.

    The images are not looked for: a missing one is an error of that sample, during the run.

    Raises:
        UsageError: the folder has no such split.
        DatasetError: the file cannot be read, is empty, lists a name twice or something that is no name.
    """
    path = folder / f"{split}.txt"
    if not path.is_file():
        present = ", ".join(sorted(file.stem for file in folder.glob("*.txt"))) or "none is there"
        raise UsageError(
            "the data set has no such split",
            got=f"no file {path}",
            expected=f"one of the splits in that folder: {present}",
            fix="choose one of them with --split, or copy the split file there",
        )
    first_line: dict[str, int] = {}
    for number, line in enumerate(read_text(path, "the split file").split("\n"), 1):
        name = line.strip()
        if not name:
            continue
        if not is_plain_name(name):
            raise DatasetError(
                "the split file has a line that is not the name of an image",
                got=f"{path}, line {number}: {name!r}",
                expected="one name a line, without folder, suffix or further columns",
                fix="use the list of the segmentation task, or correct the line",
            )
        if name in first_line:
            raise DatasetError(
                "the split file lists an image twice; it would count twice",
                got=f"{path}, lines {first_line[name]} and {number}: {name}",
                expected="every name once",
                fix="remove one of the lines",
            )
        first_line[name] = number
    if not first_line:
        raise DatasetError(
            "the split file lists no image",
            got=str(path),
            expected="one name a line",
            fix="copy the split file from the data set again",
        )
    return tuple(first_line)
