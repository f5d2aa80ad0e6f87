"""Which files of a folder are images, and which are left out, and why."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from groupvit_runtime.errors import ImageError
from groupvit_runtime.image_formats import PREFIX_BYTES, begins_like_image, image_suffixes

LABELS_SUFFIX: Final = ".labels.png"
RECORD_SUFFIX: Final = ".labels.json"
"""What the names of a label map and of the record beside it end in."""

_RESULT: Final = re.compile(
    r"\.(?:labels\.json|(?:labels|overlay|confidence|groups(?:-\d)?|heatmap-[\w.-]+)\.png)$"
)
"""What the names of label maps, of their records and of pictures end in that `groupvit segment` makes."""

_SHOWN: Final = 5


@dataclass(frozen=True)
class ImageFolder:
    """What was found in a folder.

    Attributes:
        folder: that was looked through.
        images: by name.
        left_out: everything else by name, with the reason in a word or two.
    """

    folder: Path
    images: tuple[Path, ...]
    left_out: tuple[tuple[Path, str], ...]

    def left_out_line(self) -> str | None:
        """How many were left out and which, for people; None where there are none."""
        if not self.left_out:
            return None
        shown = [f"{path.relative_to(self.folder)} ({reason})" for path, reason in self.left_out[:_SHOWN]]
        more = len(self.left_out) - len(shown)
        count = f"{len(self.left_out)} {'entry' if len(self.left_out) == 1 else 'entries'}"
        return f"{count} of {self.folder} left out: {', '.join(shown)}{f' and {more} more' if more else ''}"


def image_folder(folder: Path, *, recursive: bool = False) -> ImageFolder:
    """Look through a folder.

    An image is what has the name or the first bytes of one. Results of `groupvit segment` are left out, and
    so are hidden files.

    Args:
        folder: a folder.
        recursive: look through the folders below it, too; links to folders are not followed.

    Raises:
        ImageError: it is no folder, may not be read, or has no image.
    """
    if not folder.is_dir():
        raise ImageError(
            "the folder of images is not there", got=str(folder), expected="a folder", fix="check the path"
        )
    images: list[Path] = []
    left_out: list[tuple[Path, str]] = []
    for path in sorted(_entries(folder, left_out, recursive=recursive)):
        reason = _reason_to_leave_out(path)
        if reason is None:
            images.append(path)
        else:
            left_out.append((path, reason))
    found = ImageFolder(folder, tuple(images), tuple(left_out))
    if not images:
        below = any(reason == _FOLDER for _, reason in left_out)
        raise ImageError(
            "the folder has no images",
            got=found.left_out_line() or f"nothing in {folder}",
            expected=f"images by their contents, or files ending in {' '.join(sorted(image_suffixes()))}",
            fix="add --recursive, or name a folder below it"
            if below
            else "name another folder, or the files",
        )
    return found


_FOLDER: Final = "a folder; --recursive"


def _entries(folder: Path, left_out: list[tuple[Path, str]], *, recursive: bool) -> Iterator[Path]:
    def refuse(error: OSError) -> None:
        if Path(error.filename) != folder:
            left_out.append((Path(error.filename), error.strerror or "cannot be read"))
            return
        raise ImageError(
            "a folder cannot be looked through",
            got=f"{error.filename}: {error.strerror}",
            expected="a folder that this process may read",
            fix="change its permissions, or name the images",
        ) from error

    for top, below, files in os.walk(folder, onerror=refuse):
        here = Path(top)
        yield from (here / name for name in files)
        # What is walked into is not an entry itself, and links to folders are not walked into.
        into = [
            name for name in below if recursive and not (name.startswith(".") or (here / name).is_symlink())
        ]
        yield from (here / name for name in below if name not in into)
        below[:] = into


def is_result(path: Path) -> bool:
    """Whether a file has the name of a label map, its record or a picture that `groupvit segment` makes."""
    return _RESULT.search(path.name) is not None


def _reason_to_leave_out(path: Path) -> str | None:
    if path.name.startswith("."):
        return "hidden"
    if path.is_dir():
        return "a link to a folder" if path.is_symlink() else _FOLDER
    if is_result(path):
        return "a result of segment"
    if path.exists() and not path.is_file():
        return "no file"
    if path.suffix.lower() in image_suffixes():
        return None
    try:
        with path.open("rb") as file:
            return None if begins_like_image(file.read(PREFIX_BYTES)) else "no image"
    except OSError as error:
        return error.strerror or "cannot be read"
