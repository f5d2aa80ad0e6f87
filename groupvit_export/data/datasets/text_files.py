"""Small text files of data sets, and the names in them."""

from __future__ import annotations

from pathlib import Path

from groupvit_export.data.dataset import ILLEGAL
from groupvit_export.data.datasets.errors import DatasetError
from groupvit_runtime.errors import LabelError
from groupvit_runtime.prompts import check_labels


def read_text(path: Path, holds: str) -> str:
    """Read a UTF-8 file, with or without a byte order mark; line ends become newlines.

    Args:
        path: of the file.
        holds: what the file is, for the error.

    Raises:
        DatasetError: it is missing, cannot be read or is not UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(
            f"{holds} cannot be read",
            got=f"{path}: {(isinstance(error, OSError) and error.strerror) or error}",
            expected="a UTF-8 text file",
            fix="check the path and the file",
        ) from error


def is_plain_name(name: str) -> bool:
    """Whether a name in a list can name a file in a given folder: no folder, space or control character."""
    return name.isprintable() and not any(letter in "/\\" or letter.isspace() for letter in name)


def check_class_names(names: list[str], where: str) -> tuple[str, ...]:
    """Check that names can be used as labels; surplus white space is taken out.

    Args:
        names: as they stand in the file.
        where: the file, and the key in it, for the error.

    Raises:
        DatasetError: no name, an empty one, one that occurs twice, or more than a label map can tell apart.
    """
    # Class indices are uint16, and the two highest values have a meaning of their own.
    if len(names) > ILLEGAL:
        raise DatasetError(
            "there are more classes than a label map can tell apart",
            got=f"{where}: {len(names)} names",
            expected=f"at most {ILLEGAL}",
            fix="leave classes out",
        )
    try:
        return check_labels(names)
    except LabelError as error:
        raise DatasetError(
            f"the class names cannot be used: {error.what}",
            got=where if error.got is None else f"{where}: {error.got}",
            expected=error.expected,
            fix="correct the names there",
        ) from error
