"""What the operating system refuses, as a message: what happened, where, and what mends it."""

from __future__ import annotations

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

from groupvit_runtime.errors import GroupViTError

DISK_ERRORS: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO})
"""That no other path on the same disk would mend."""

_CODE: Final = re.compile(r"\[Errno (\d+)\]|\bos error (\d+)\b")
_NO_TEMPORARY: Final = "No usable temporary directory"
_PROBE_BYTES: Final = 1 << 20


class _Refusal(NamedTuple):
    what: str
    expected: str
    fix: str


_PERMISSION: Final = _Refusal(
    "permission is denied",
    "a path that this user may read, and write where it is an output",
    "ls -ld PATH shows who may; chmod or chown it, or give another path",
)
_REFUSALS: Final[Mapping[int, _Refusal]] = MappingProxyType(
    {
        errno.ENOSPC: _Refusal(
            "the disk is full",
            "space for the output, and for temporary files",
            "free some, or give an output on another disk; TMPDIR=FOLDER moves the temporary files",
        ),
        errno.EDQUOT: _Refusal(
            "the disk quota is used up",
            "space for the output, and for temporary files",
            "free some, or give an output on another disk; TMPDIR=FOLDER moves the temporary files",
        ),
        errno.EFBIG: _Refusal(
            "a file would become larger than is allowed here",
            "no limit to the size of files",
            "ulimit -f unlimited, or a file system for large files",
        ),
        errno.EROFS: _Refusal(
            "the file system is read-only", "a place that may be written", "give an output elsewhere"
        ),
        errno.EIO: _Refusal(
            "the disk reports an error", "a disk that works", "copy the data to another disk, and try there"
        ),
        errno.EACCES: _PERMISSION,
        errno.EPERM: _PERMISSION,
        errno.ENAMETOOLONG: _Refusal(
            "the name is too long for the file system",
            "mostly 255 bytes at most between two slashes, and 4095 in all",
            "give a shorter one",
        ),
        errno.ENOENT: _Refusal("there is no such file or folder", "a path that exists", "ls shows what does"),
        errno.ENOTDIR: _Refusal(
            "the path goes through a file", "folders before the last slash", "give another path"
        ),
        errno.EISDIR: _Refusal("there is a folder where a file should be", "a file", "give another path"),
        errno.EEXIST: _Refusal("there is a file where a folder should be", "a folder", "give another path"),
        errno.ELOOP: _Refusal(
            "the links of the path lead in a circle", "a path that ends", "ls -l PATH shows the links"
        ),
        errno.EMFILE: _Refusal("too many files are open", "a higher limit", "ulimit -n 4096"),
        errno.ENFILE: _Refusal("too many files are open on this machine", "fewer", "end other programs"),
        errno.ENOMEM: _Refusal("the memory is used up", "more memory", "end other programs"),
    }
)
_OTHER: Final = _Refusal(
    "the operating system refuses", "that it does not", "check the path, and that its disk is there"
)


def system_refusal(error: OSError, *, failed: str | None = None, path: Path | None = None) -> GroupViTError:
    """What to tell of an error of the operating system.

    Args:
        error: as it was raised.
        failed: what could not be done for it, "the output cannot be written".
        path: what it was about, where the error does not say.
    """
    # Neither a path nor a name is in this one: it lists the folders that were tried.
    if str(error.strerror).startswith(_NO_TEMPORARY):
        return GroupViTError(
            "there is no folder for temporary files",
            got=error.strerror,
            expected="a folder that exists, may be written and has space",
            fix="TMPDIR=FOLDER before the command",
        )
    refusal = _REFUSALS.get(error.errno or 0, _OTHER)
    where = error.filename if error.filename is not None else path
    name = "" if where is None else f"{os.fsdecode(where) if isinstance(where, bytes) else where}: "
    # Where a disk is full, nobody says which.
    space = f" ({_space(path)})" if error.errno == errno.ENOSPC else ""
    return GroupViTError(
        refusal.what if failed is None else f"{failed}: {refusal.what}",
        got=f"{name}{error.strerror or error}{space}",
        expected=refusal.expected,
        fix=refusal.fix,
    )


@contextmanager
def keeping_system_errors(folder: Path) -> Iterator[None]:
    """Around a library that writes into `folder` and says nothing of why it could not.

    Raises:
        OSError: the operating system refused; any other exception is left as it is.
    """
    try:
        yield
    except Exception as error:
        refused = None if isinstance(error, OSError) else lost_system_error(error, folder)
        if refused is None:
            raise
        raise refused from error


def lost_system_error(error: BaseException | str, folder: Path) -> OSError | None:
    """The error of the operating system behind that of a library, or None where there is none.

    Args:
        error: it, or its text, which may have the number; OpenVINO's and PyTorch's have not.
        folder: where the library wrote: it is tried again where the text says nothing.
    """
    if isinstance(error, OSError):
        return error
    found = _CODE.search(str(error))
    if found is not None:
        code = int(found[1] or found[2])
        return OSError(code, os.strerror(code), str(folder))
    try:
        with tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            # What is left of a disk that is full may be enough for less.
            for _ in range(_PROBE_BYTES // (1 << 16)):
                file.write(bytes(1 << 16))
    except OSError as refused:
        return refused
    return None


def _space(path: Path | None) -> str:
    """What is left where the output goes and where temporary files lie."""
    places = {"here": Path.cwd() if path is None else path}
    try:
        places["temporary files"] = Path(tempfile.gettempdir())
    except FileNotFoundError:
        return "no folder for temporary files is left"
    left = (
        f"{name}, {place}: {shutil.disk_usage(place).free / 2**20:.0f} MiB free"
        for name, place in places.items()
        if place.is_dir()
    )
    return "; ".join(left)
