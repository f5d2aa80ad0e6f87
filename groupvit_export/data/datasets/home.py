"""Where below `--root` a data set lies, and what is missing there."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from groupvit_export.data.datasets.errors import DatasetError
from groupvit_export.errors import UsageError


def find_home(root: Path, below: Sequence[str], needed: Sequence[str], layout: str, fix: str) -> Path:
    """The folder that holds a data set: the first of ``root/below`` that exists, or the root itself.

    Args:
        root: an existing folder.
        below: where the data set may lie in it, in order.
        needed: what it must have inside, each a relative path.
        layout: the whole of what is expected, for the error.
        fix: how it comes to be there, for the error.

    Raises:
        DatasetError: something needed is missing.
    """
    home = next((root / place for place in below if (root / place).is_dir()), root)
    missing = [name for name in needed if not (home / name).exists()]
    if missing:
        got = f"{home} has no {', '.join(missing)}"
        raise layout_error(
            f"{got}, and no {' or '.join(below)}" if below and home == root else got, layout, fix
        )
    return home


def layout_error(got: str, layout: str, fix: str) -> DatasetError:
    """The error of a folder that does not look like the data set it should be."""
    tree = "\n".join(f"    {line}" for line in layout.splitlines())
    return DatasetError(
        "the folder does not have the data set's layout", got=got, expected=f"this layout\n{tree}", fix=fix
    )


def check_split(split: str) -> str:
    """The name of a split, which becomes part of a path.

    Raises:
        UsageError: it would lead out of the data set's folder.
    """
    if not split or split.startswith(".") or "/" in split or "\\" in split or not split.isprintable():
        raise UsageError(
            "this cannot be the name of a split",
            got=f"--split {split!r}",
            expected="a name without folders",
            fix="leave --split out for the usual one",
        )
    return split
