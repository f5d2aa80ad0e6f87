"""Writing whole or not at all: beside the target first, then a rename."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from groupvit_runtime.errors import GroupViTError
from groupvit_runtime.locks import locked
from groupvit_runtime.manifest import MANIFEST_NAME, is_bundle
from groupvit_runtime.system_errors import DISK_ERRORS, system_refusal
from groupvit_runtime.temporary import PREFIX, make_file, make_folder, release, scratch_folder

LOCK_NAME: Final = ".lock"
"""In a bundle while it is changed; whoever changes one holds it by `locked`."""

_AT_WORKING_FOLDER: Final = -100
_EXCHANGE: Final = 2
_NO_EXCHANGE: Final = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV, errno.EPERM})
_OCCUPIED: Final = frozenset({errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR})


@dataclass(frozen=True)
class Replaceable:
    """Folders that --force may replace.

    Attributes:
        plural: what they are called.
        marker: the file by which one is known.
        recognizes: whether a folder is one.
    """

    plural: str
    marker: str
    recognizes: Callable[[Path], bool]


BUNDLES: Final = Replaceable("bundles", MANIFEST_NAME, is_bundle)


def write_atomically(path: Path, data: bytes | Iterable[bytes], *, durable: bool = True) -> None:
    """Write `data` to `path`; a reader sees the old contents or the new, never a part.

    A link keeps leading where it led. What is no file, `/dev/stdout` for instance, is written into and stays
    what it is.

    Args:
        path: of the file.
        data: its contents, or pieces of them that are not all there at once.
        durable: they are on the disk before the name is, so that this holds for a crash of the system, too.

    Raises:
        GroupViTError: the folder is missing or cannot be written.
    """
    pieces = [data] if isinstance(data, bytes) else data
    try:
        if _is_special(path):
            with path.open("wb") as special:
                special.writelines(pieces)
            return
        path = _real(path)
        descriptor, temporary = make_file(path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.writelines(pieces)
            file.flush()
            # mkstemp makes private files; what is written here is meant to be read by an application.
            temporary.chmod(0o644)
            if durable:
                os.fsync(descriptor)
            if sys.platform != "win32":
                # Still open, and so owned.
                temporary.replace(path)
        if sys.platform == "win32":
            temporary.replace(path)
        if durable:
            _sync_entry(path.parent)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise


def check_writable(path: Path) -> None:
    """Refuse a file that could not be written, before what is to be in it takes its time.

    Raises:
        GroupViTError: its folder is missing or takes no file, or `path` is a folder.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        with suppress(FileNotFoundError):
            path.lstat()
        if not _is_special(path):
            descriptor, temporary = make_file(_real(path).parent)
            os.close(descriptor)
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error


@contextmanager
def staged_folder(target: Path, *, force: bool, replaceable: Replaceable = BUNDLES) -> Iterator[Path]:
    """Give a folder beside `target` that becomes `target` when the block ends without an error.

    Where the system can exchange two names at once, as Linux can, there is a `target` at every moment, the
    old one or the new.

    Args:
        target: the folder.
        force: replace one that is there.
        replaceable: what may be replaced.

    Raises:
        GroupViTError: `target` exists and `force` is not set, is nothing that may be replaced, or cannot be
            written.
    """
    check_replaceable(target, force=force, replaceable=replaceable)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        descriptor, stage = make_folder(target.parent)
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        try:
            yield stage
        except OSError as error:
            if error.errno in DISK_ERRORS:
                raise _unwritable(target, error) from error
            raise
        try:
            stage.chmod(0o755)
            _sync(stage)
            _put(stage, target, force, replaceable)
        except OSError as error:
            raise _unwritable(target, error) from error
    finally:
        # What was there before, where it was exchanged.
        shutil.rmtree(stage, ignore_errors=True)
        release(descriptor)


def check_replaceable(target: Path, *, force: bool, replaceable: Replaceable = BUNDLES) -> None:
    """Refuse a target that would overwrite something.

    Raises:
        GroupViTError: `target` exists without `force`, or is something that is not `replaceable`.
    """
    if not (target.exists() or target.is_symlink()):
        return
    if not force:
        raise GroupViTError(
            "the output exists already",
            got=str(target),
            expected="a path where nothing is",
            fix="choose another with -o, or add --force to replace it",
        )
    # --force is a word for what is written here; it must not become a way to delete a home folder or an
    # extension of a browser.
    is_empty = target.is_dir() and not any(target.iterdir())
    if target.is_symlink() or not target.is_dir() or not (is_empty or replaceable.recognizes(target)):
        raise GroupViTError(
            f"--force replaces {replaceable.plural} only",
            got=f"{target}, without the {replaceable.marker} of {replaceable.plural}",
            expected=f"one of the {replaceable.plural}, or an empty folder",
            fix="remove it yourself, or choose another output with -o",
        )


def _put(stage: Path, target: Path, force: bool, replaceable: Replaceable) -> None:
    """Rename `stage` to `target`; what was there is left at `stage`, or gone."""
    while True:
        try:
            # Onto nothing or, on POSIX, an empty folder.
            stage.rename(target)
        except OSError as error:
            if error.errno not in _OCCUPIED:
                raise
        else:
            _sync_entry(target.parent)
            return
        check_replaceable(target, force=force, replaceable=replaceable)
        # Whoever changes or replaces it meanwhile is waited for. It may be gone then.
        with suppress(FileNotFoundError), locked(target / LOCK_NAME):
            if not _exchange(stage, target):
                _replace(stage, target)
            _sync_entry(target.parent)
            return


def _exchange(first: Path, second: Path) -> bool:
    """Swap two names at once; False where the system or the file system cannot.

    Raises:
        OSError: it can, and refuses.
    """
    if sys.platform != "linux":
        return False
    function = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if function is None:
        return False
    names = (_AT_WORKING_FOLDER, os.fsencode(first), _AT_WORKING_FOLDER, os.fsencode(second))
    if function(*names, _EXCHANGE) == 0:
        return True
    code = ctypes.get_errno()
    if code in _NO_EXCHANGE:
        return False
    raise OSError(code, os.strerror(code), str(second))


def _replace(stage: Path, target: Path) -> None:
    """In two steps, between which there is no `target`. The old one is kept until the new one stands."""
    # Of a name that is nobody's: were it killed now, whoever comes next must not take it for a temporary.
    retired = Path(tempfile.mkdtemp(prefix=f"{PREFIX}old-", dir=target.parent))
    retired.rmdir()
    target.rename(retired)
    try:
        stage.rename(target)
    except BaseException as error:
        try:
            retired.rename(target)
        except OSError as lost:
            raise GroupViTError(
                "the bundle could not be replaced, and the old one not be put back",
                got=f"{target}: {error}; {lost}",
                expected="a folder that may be renamed",
                fix=f"the old bundle is whole: mv {retired} {target}",
            ) from error
        raise
    shutil.rmtree(retired, ignore_errors=True)


def _is_special(path: Path) -> bool:
    """A device or a pipe: what is written goes there, and nothing takes its place."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _real(path: Path) -> Path:
    """Where a link leads, which stays."""
    return path.resolve() if path.is_symlink() else path


def _sync(folder: Path) -> None:
    """Put the files below `folder` on the disk."""
    # Windows synchronizes what is open for writing only.
    for path in () if sys.platform == "win32" else folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    _sync_entry(folder)


def _sync_entry(folder: Path) -> None:
    """Put the names in `folder` on the disk, where the system lets folders be synchronized."""
    if sys.platform == "win32":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF):
            raise
    finally:
        os.close(descriptor)


def _unwritable(path: Path, error: OSError) -> GroupViTError:
    if error.errno == errno.ENAMETOOLONG:
        return GroupViTError(
            "the output cannot have this name",
            got=f"{len(os.fsencode(path.name))} bytes: {path.name}",
            expected="a name that the file system takes, mostly 255 bytes at most",
            fix="give a shorter name",
        )
    return system_refusal(error, failed="the output cannot be written", path=path.parent)


@contextmanager
def utf8_path(path: Path) -> Iterator[Path]:
    """The same file or folder by a name that libraries can take which know names as UTF-8 only.

    Names are bytes to Linux. What is not UTF-8 in them, or not of the locale, Python keeps as surrogates,
    and compiled libraries refuse those. Such a path is lent by a link in a temporary folder.
    """
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with scratch_folder("name") as folder:
            # The suffix says what kind of file it is.
            link = folder / f"link{path.suffix if path.suffix.isascii() else ''}"
            link.symlink_to(path.absolute())
            yield link
        return
    yield path
