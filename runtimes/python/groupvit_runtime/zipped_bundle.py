"""A zipped bundle: what its manifest names is unpacked, in the sizes that it says, and nothing else."""

from __future__ import annotations

import errno
import lzma
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Final

from groupvit_runtime.errors import BundleError
from groupvit_runtime.manifest import MANIFEST_NAME, MAX_MANIFEST_BYTES, Manifest, check_digest, manifest_of
from groupvit_runtime.system_errors import system_refusal

MAX_UNPACKED_BYTES: Final = 4 << 30

_PROVENANCE: Final = "provenance.json"
_MAX_PROVENANCE_BYTES: Final = 16 << 20
_CHUNK: Final = 1 << 20
_DAMAGED: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, struct.error),
    # Of bz2, which has no error of its own, and of the disk; compression that is not known, passwords, names
    # that are no text, and numbers that are none.
    *(OSError, NotImplementedError, RuntimeError, ValueError, OverflowError),
)
_NO_SUCH_NAME: Final = frozenset(
    {errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EILSEQ, errno.EINVAL}
)
"""What the file system says of names that the manifest has, and that no export wrote."""


def unpack(path: Path, folder: Path, digest: str | None) -> tuple[Manifest, str]:
    """Unpack a zipped bundle into an empty folder.

    Args:
        path: the zip file; the bundle is at its top, or in the one folder there.
        folder: where the files go.
        digest: that the bundle must have; None for any.

    Returns:
        Its manifest, and its digest.

    Raises:
        BundleError: it is none, damaged, too large, or has another digest.
        GroupViTError: it cannot be read, or there is no space to unpack it.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            top = _top(archive, path)
            data = _contents(archive, top + MANIFEST_NAME, MAX_MANIFEST_BYTES)
            where = f"{path}/{top}{MANIFEST_NAME}"
            found = check_digest(data, digest, where)
            manifest = manifest_of(data, where)
            (folder / MANIFEST_NAME).write_bytes(data)
            _unpack_files(archive, top, manifest, folder)
    except _DAMAGED as error:
        if isinstance(error, OSError) and error.errno is not None and error.errno not in _NO_SUCH_NAME:
            raise system_refusal(error, failed="the zipped bundle cannot be unpacked", path=folder) from error
        raise BundleError(
            "this file is not a zipped bundle",
            got=f"{path}: {error}",
            expected="a folder written by `groupvit export`, or that folder zipped",
            fix="copy the bundle again, or export it again",
        ) from error
    return manifest, found


def _top(archive: zipfile.ZipFile, path: Path) -> str:
    """What stands before the names of the bundle's files."""
    names = set(archive.namelist())
    if MANIFEST_NAME in names:
        return ""
    inner = [name for name in names if name.endswith(f"/{MANIFEST_NAME}") and name.count("/") == 1]
    if len(inner) != 1:
        raise BundleError(
            "this is not a bundle",
            got=f"no {MANIFEST_NAME} in {path}",
            expected="a folder (or .zip) written by `groupvit export`",
            fix="groupvit export --target openvino -o my-bundle",
        )
    return inner[0].removesuffix(MANIFEST_NAME)


def _contents(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    with archive.open(name) as member:
        data = member.read(limit + 1)
    if len(data) > limit:
        raise _too_large(name, f"more than {limit} bytes", limit)
    return data


def _unpack_files(archive: zipfile.ZipFile, top: str, manifest: Manifest, folder: Path) -> None:
    sizes = {file.path: file.bytes for file in manifest.all_files}
    total = sum(sizes.values())
    if total > MAX_UNPACKED_BYTES:
        raise _too_large("the zipped bundle", f"{total} bytes unpacked", MAX_UNPACKED_BYTES)
    members = {entry.filename: entry for entry in archive.infolist()}
    for name, size in sizes.items():
        # What is missing, or of another size than it says, is found with the other files that are.
        if top + name in members and members[top + name].file_size == size:
            _unpack_file(archive, members[top + name], folder / name, size)
    if top + _PROVENANCE in members:
        data = _contents(archive, top + _PROVENANCE, _MAX_PROVENANCE_BYTES)
        (folder / _PROVENANCE).write_bytes(data)


def _unpack_file(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, path: Path, size: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    left = size
    with archive.open(entry) as member, path.open("wb") as file:
        while left and (chunk := member.read(min(_CHUNK, left))):
            file.write(chunk)
            left -= len(chunk)
        if left or member.read(1):
            raise zipfile.BadZipFile(f"{entry.filename} has another size than it says")


def _too_large(what: str, got: str, limit: int) -> BundleError:
    return BundleError(
        f"{what} is too large to be one of a bundle",
        got=got,
        expected=f"at most {limit}",
        fix="do not use this bundle; or unzip it, where it is trusted, and use the folder",
    )
