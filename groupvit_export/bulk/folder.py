"""A folder of any file system that Arrow knows, in which a file is there whole or not at all."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from groupvit_export.errors import GroupViTError, UsageError
from groupvit_runtime.files import write_atomically


@dataclass(frozen=True, eq=False)
class Folder:
    """A folder of a file system that Arrow knows.

    Attributes:
        system: a `pyarrow.fs.FileSystem`.
        path: in it.
    """

    system: Any
    path: str

    @staticmethod
    def at(place: str) -> Folder:
        """A local path, or a URI.

        Raises:
            UsageError: no file system of this kind, or a secret in the URI.
        """
        from pyarrow import fs

        if "://" not in place:
            return Folder(fs.LocalFileSystem(), str(Path(place).absolute()))
        if urlsplit(place).password is not None:
            raise UsageError(
                "a URI with a secret would be written into every row",
                expected="a URI without one",
                fix="give it in the environment, as AWS_SECRET_ACCESS_KEY for s3",
            )
        try:
            return Folder(*fs.FileSystem.from_uri(place))
        except (OSError, ValueError) as error:
            raise UsageError(
                "this place cannot be opened",
                got=f"{place}: {error}",
                expected="a local path, s3://, gs:// or hdfs://",
            ) from error

    @property
    def is_local(self) -> bool:
        """Whether files of this machine's own file system are meant."""
        return str(self.system.type_name) == "local"

    def file(self, name: str) -> str:
        """Path of a file in it."""
        return posixpath.join(self.path, name)

    def make(self) -> None:
        """Make it where it is missing.

        Raises:
            GroupViTError: it cannot be made.
        """
        try:
            self.system.create_dir(self.path, recursive=True)
        except OSError as error:
            raise GroupViTError("the output cannot be written", got=f"{self.path}: {error}") from error

    def write(self, name: str, data: bytes) -> None:
        """Write a file; a reader sees all of it, or what was there before.

        Raises:
            GroupViTError: it cannot be written.
        """
        if self.is_local:
            path = Path(self.file(name))
            path.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(path, data)
            return
        try:
            # An object in a bucket appears when it is closed.
            with self.system.open_output_stream(self.file(name)) as file:
                file.write(data)
        except OSError as error:
            raise GroupViTError("the output cannot be written", got=f"{self.file(name)}: {error}") from error

    def read(self, name: str) -> bytes | None:
        """What a file holds; None where there is none.

        Raises:
            OSError: it cannot be read.
        """
        place = self.file(name)
        if not self.system.get_file_info(place).is_file:
            return None
        with self.system.open_input_stream(place) as file:
            data: bytes = file.read()
        return data

    def remove(self, name: str) -> None:
        """Remove a file of which nobody minds when it is gone.

        Raises:
            OSError: it cannot be removed.
        """
        self.system.delete_file(self.file(name))
