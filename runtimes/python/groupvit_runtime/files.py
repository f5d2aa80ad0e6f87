"""Writing whole or not at all: beside the target first, then a rename."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from groupvit_runtime.errors import GroupViTError
from groupvit_runtime.manifest import MANIFEST_NAME, is_bundle
from groupvit_runtime.system_errors import DISK_ERRORS, system_refusal

# Not made of the final name, which may be as long as a name can be.
_TEMPORARY = ".groupvit-"


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path`; a reader sees the old contents or the new, never a part.

    A link keeps leading where it led. What is no file, `/dev/stdout` for instance, is written into and stays
    what it is.

    Raises:
        GroupViTError: the folder is missing or cannot be written.
    """
    try:
        # False for what is not there, and for a folder, which is refused below.
        if path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(data)
            return
        path = path.resolve() if path.is_symlink() else path
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=_TEMPORARY)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        # mkstemp makes private files; what is written here is meant to be read by an application.
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException as error:
        Path(name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise


@contextmanager
def staged_folder(target: Path, *, force: bool) -> Iterator[Path]:
    """Give a folder beside `target` that becomes `target` when the block ends without an error.

    Raises:
        GroupViTError: `target` exists and `force` is not set, is no bundle, or cannot be written.
    """
    check_replaceable(target, force=force)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(dir=target.parent, prefix=_TEMPORARY))
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        yield stage
        stage.chmod(0o755)
        _swap(stage, target)
    except BaseException as error:
        shutil.rmtree(stage, ignore_errors=True)
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            raise _unwritable(target, error) from error
        raise


def check_replaceable(target: Path, *, force: bool) -> None:
    """Refuse a target that would overwrite something.

    Raises:
        GroupViTError: `target` exists without `force`, or is something that is not a bundle.
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
    # --force is a word for bundles; it must not become a way to delete a home folder or a browser extension.
    is_empty = target.is_dir() and not any(target.iterdir())
    if target.is_symlink() or not target.is_dir() or not (is_empty or is_bundle(target)):
        raise GroupViTError(
            "--force replaces bundles only",
            got=f"{target}, without the {MANIFEST_NAME} of a bundle",
            expected="a bundle or an empty folder",
            fix="remove it yourself, or choose another output with -o",
        )


def _swap(stage: Path, target: Path) -> None:
    if not target.exists():
        stage.rename(target)
        return
    retired = Path(tempfile.mkdtemp(dir=target.parent, prefix=_TEMPORARY))
    target.rename(retired / "bundle")
    try:
        stage.rename(target)
    except OSError:
        (retired / "bundle").rename(target)
        raise
    finally:
        shutil.rmtree(retired, ignore_errors=True)


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
        with tempfile.TemporaryDirectory(prefix="groupvit-name-") as folder:
            # The suffix says what kind of file it is.
            link = Path(folder) / f"link{path.suffix if path.suffix.isascii() else ''}"
            link.symlink_to(path.absolute())
            yield link
        return
    yield path
