"""Files of a bundle: that they are inside it, whole, and the ones that were exported."""

from __future__ import annotations

import builtins
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Annotated

from groupvit_runtime.bounds import Line, Range, Sha256
from groupvit_runtime.errors import BundleError
from groupvit_runtime.manifest.regular_file import open_regular


@dataclass(frozen=True)
class FileInfo:
    """A file of the bundle: path relative to the bundle with forward slashes, sha256 and size."""

    path: Line
    sha256: Sha256
    bytes: Annotated[int, Range(0, 2**34)]

    def __post_init__(self) -> None:
        path = PurePosixPath(self.path)
        if (
            not self.path
            or path.is_absolute()
            or ".." in path.parts
            or "\\" in self.path
            or ":" in self.path
            or "\0" in self.path
        ):
            raise BundleError(
                "the manifest names a file outside the bundle",
                got=repr(self.path),
                expected="a relative path without '..'",
                fix="do not use this bundle; get it again from where it was exported",
            )

    @staticmethod
    def of(root: Path, path: str) -> FileInfo:
        """Describe `root / path`."""
        file = root / path
        return FileInfo(path=path, sha256=sha256_of(file), bytes=file.stat().st_size)

    def locate(self, root: Path) -> Path:
        """Full path after checking that the file is inside `root`, there, and of the right size.

        Raises:
            BundleError: it is none of these.
        """
        file = root / self.path
        try:
            resolved, found = file.resolve(), _looked_at(file)
        except (OSError, RuntimeError) as error:  # a name too long, a loop of links
            raise _unreadable(file, error) from error
        if not resolved.is_relative_to(root.resolve()):
            raise BundleError(
                "a file of the bundle is a link that leaves it",
                got=f"{self.path} -> {resolved}",
                expected=f"a file below {root}",
                fix="copy the bundle with its files, not links to them",
            )
        if found is None or not stat.S_ISREG(found.st_mode):
            raise BundleError(
                "a file of the bundle is missing",
                got=f"no {file}",
                expected=f"{self.path}, {self.bytes} bytes",
                fix="copy the whole folder, or export it again",
            )
        self._check_size(file, found.st_size)
        return file

    def verify(self, root: Path) -> Path:
        """Like `locate`, and compares the contents with the recorded hash.

        It says what the file was: whoever opens it later may find another. What is used is read by `read`.

        Raises:
            BundleError: the file is missing, truncated or not the one that was exported.
        """
        file = self.locate(root)
        try:
            self._check_hash(file, sha256_of(file))
        except OSError as error:
            raise _unreadable(file, error) from error
        return file

    def read(self, root: Path) -> builtins.bytes:
        """The contents, after comparing them, as they are in memory now, with the recorded hash.

        Raises:
            BundleError: as `verify`.
        """
        # Memory is taken by the size of what is open, which the manifest's number has been compared with.
        with self._opened(root) as (file, stream):
            data = stream.read(self.bytes + 1)
        self._check_size(file, len(data))
        self._check_hash(file, hashlib.sha256(data).hexdigest())
        return data

    def read_into(self, root: Path, allocate: Callable[[int], memoryview]) -> memoryview:
        """Like `read`, into memory that `allocate` makes for a number of bytes.

        Raises:
            BundleError: as `verify`.
        """
        with self._opened(root) as (file, stream):
            memory = allocate(self.bytes)
            filled = 0
            while filled < self.bytes and (count := stream.readinto(memory[filled:])):
                filled += count
        self._check_size(file, filled)
        self._check_hash(file, hashlib.sha256(memory).hexdigest())
        return memory

    @contextmanager
    def _opened(self, root: Path) -> Iterator[tuple[Path, BufferedReader]]:
        file = self.locate(root)
        try:
            with open_regular(file) as stream:
                self._check_size(file, os.fstat(stream.fileno()).st_size)
                yield file, stream
        except OSError as error:
            raise _unreadable(file, error) from error

    def _check_size(self, file: Path, size: int) -> None:
        if size != self.bytes:
            raise BundleError(
                "a file of the bundle is truncated or was changed",
                got=f"{file} has {size} bytes",
                expected=f"{self.bytes} bytes",
                fix="copy the bundle again, or export it again",
            )

    def _check_hash(self, file: Path, digest: str) -> None:
        if digest != self.sha256:
            raise BundleError(
                "a file of the bundle is not the one that was exported",
                got=f"{file} has sha256 {digest}",
                expected=f"sha256 {self.sha256}",
                fix="copy the bundle again, or export it again",
            )


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file's contents.

    Raises:
        OSError: it cannot be read, or is no regular file.
    """
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _looked_at(file: Path) -> os.stat_result | None:
    """Once, for at the next look it may be gone, or another; None where nothing is."""
    try:
        return file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None


def _unreadable(file: Path, error: Exception) -> BundleError:
    return BundleError(
        "a file of the bundle cannot be read",
        got=f"{file}: {error}",
        expected="a file that this process may read",
        fix="copy the bundle again, or export it again",
    )
