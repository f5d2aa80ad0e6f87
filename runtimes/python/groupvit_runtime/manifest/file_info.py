"""Files of a bundle: that they are inside it, whole, and the ones that were exported."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from groupvit_runtime.errors import BundleError


@dataclass(frozen=True)
class FileInfo:
    """A file of the bundle: path relative to the bundle with forward slashes, sha256 and size."""

    path: str
    sha256: str
    bytes: int

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
            resolved, is_file = file.resolve(), file.is_file()
        except (OSError, RuntimeError) as error:  # a name too long, a loop of links
            raise BundleError(
                "a file of the bundle cannot be read",
                got=f"{file}: {error}",
                expected="a file that this process may read",
                fix="copy the bundle again, or export it again",
            ) from error
        if not resolved.is_relative_to(root.resolve()):
            raise BundleError(
                "a file of the bundle is a link that leaves it",
                got=f"{self.path} -> {resolved}",
                expected=f"a file below {root}",
                fix="copy the bundle with its files, not links to them",
            )
        if not is_file:
            raise BundleError(
                "a file of the bundle is missing",
                got=f"no {file}",
                expected=f"{self.path}, {self.bytes} bytes",
                fix="copy the whole folder, or export it again",
            )
        size = file.stat().st_size
        if size != self.bytes:
            raise BundleError(
                "a file of the bundle is truncated or was changed",
                got=f"{file} has {size} bytes",
                expected=f"{self.bytes} bytes",
                fix="copy the bundle again, or export it again",
            )
        return file

    def verify(self, root: Path) -> Path:
        """Like `locate`, and compares the contents with the recorded hash.

        Raises:
            BundleError: the file is missing, truncated or not the one that was exported.
        """
        file = self.locate(root)
        digest = sha256_of(file)
        if digest != self.sha256:
            raise BundleError(
                "a file of the bundle is not the one that was exported",
                got=f"{file} has sha256 {digest}",
                expected=f"sha256 {self.sha256}",
                fix="copy the bundle again, or export it again",
            )
        return file


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file's contents."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
