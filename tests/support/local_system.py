"""The few methods of `pyarrow.fs.LocalFileSystem` that bulk runs call, for tests without Arrow."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from groupvit_export.bulk.folder import Folder


@dataclass(frozen=True)
class Info:
    """Of a path."""

    path: str
    is_file: bool


class LocalSystem:
    """Files of this machine."""

    type_name = "local"

    def create_dir(self, path: str, *, recursive: bool) -> None:
        """Make a folder."""
        Path(path).mkdir(parents=recursive, exist_ok=True)

    def get_file_info(self, path: str) -> Info:
        """Whether it is there."""
        return Info(path, Path(path).is_file())

    def open_input_stream(self, path: str) -> BinaryIO:
        """Read it."""
        return Path(path).open("rb")

    def delete_file(self, path: str) -> None:
        """Remove it."""
        Path(path).unlink()


def local_folder(path: Path) -> Folder:
    """A folder of this machine, as `Folder.at` makes it of Arrow."""
    return Folder(LocalSystem(), str(path))
