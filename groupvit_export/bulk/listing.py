"""Files of a folder, of a pattern, or below a URI."""

from __future__ import annotations

import glob
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path, PurePosixPath
from typing import Final

from groupvit_export.bulk.folder import Folder
from groupvit_export.errors import GroupViTError, UsageError
from groupvit_runtime.image_folder import image_folder, is_result
from groupvit_runtime.image_formats import image_suffixes

_SIGNS: Final = frozenset("*[")


def list_images(place: str) -> list[str]:
    """Images of a local folder and all below, of all below a URI, of a pattern, or one file.

    In a local folder an image is what has the name or the first bytes of one, below a URI what has the name.

    Returns:
        Sorted, each as it is opened.

    Raises:
        UsageError: there is no image.
        GroupViTError: the place cannot be read.
    """
    if "://" not in place and Path(place).is_dir():
        found: Iterable[str] = map(_absolute, image_folder(Path(place), recursive=True).images)
    else:
        found = _files(place, tuple(image_suffixes()))
    return _some((path for path in found if not is_result(Path(path))), place, "images")


def list_files(place: str, endings: Sequence[str]) -> list[str]:
    """Files of these endings in a folder and all below, of a pattern, or one file.

    Args:
        place: a local path or pattern, or a URI, with a pattern or without.
        endings: with the dot, in small letters; a file or a pattern that is named itself may have others.

    Returns:
        Sorted, each as it is opened.

    Raises:
        UsageError: there are none.
        GroupViTError: the place cannot be read.
    """
    return _some(_files(place, endings), place, f"files ending in {' or '.join(endings)}")


def _some(found: Iterable[str], place: str, what: str) -> list[str]:
    paths = sorted(found)
    if not paths:
        raise UsageError(
            "there is nothing to read", got=place, expected=f"a folder, a pattern, a file or a URI of {what}"
        )
    return paths


def _files(place: str, endings: Sequence[str]) -> Iterable[str]:
    return _below_uri(place, endings) if "://" in place else _local(place, endings)


def _local(place: str, endings: Sequence[str]) -> Iterable[str]:
    path = Path(place)
    if path.is_dir():
        found: Iterable[Path] = (one for one in path.rglob("*") if _ends(one, endings))
    elif path.is_file():
        found = (path,)
    else:
        found = map(Path, glob.glob(place, recursive=True))  # noqa: PTH207
    return [_absolute(one) for one in found if one.is_file()]


def _absolute(path: Path) -> str:
    return str(path.absolute())


def _ends(path: Path | PurePosixPath, endings: Sequence[str]) -> bool:
    return path.suffix.lower() in endings and not path.name.startswith((".", "_"))


def _below_uri(place: str, endings: Sequence[str]) -> Iterable[str]:
    from pyarrow import fs

    # Options of the file system, such as its endpoint.
    place, _, query = place.partition("?")
    query = f"?{query}" if query else ""
    parts = place.split("/")
    plain = next((at for at, part in enumerate(parts) if _SIGNS & set(part)), len(parts))
    base = "/".join(parts[:plain]).rstrip("/")
    folder = Folder.at(base + query)
    try:
        if plain == len(parts) and folder.system.get_file_info(folder.path).is_file:
            return [place + query]
        entries = folder.system.get_file_info(fs.FileSelector(folder.path, recursive=True))
    except OSError as error:
        raise GroupViTError("the files cannot be listed", got=f"{place}: {error}") from error
    paths = [entry.path for entry in entries if entry.is_file]
    if plain == len(parts):
        kept = [path for path in paths if _ends(PurePosixPath(path), endings)]
    else:
        pattern = [*folder.path.split("/"), *parts[plain:]]
        kept = [path for path in paths if _matches(path.split("/"), pattern)]
    # A bucket's name is a part of its paths, the host of another file system is not.
    return [f"{base.removesuffix(folder.path)}{path}{query}" for path in kept]


def _matches(path: Sequence[str], pattern: Sequence[str]) -> bool:
    """Part by part; `**` is any number of them."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return any(_matches(path[at:], pattern[1:]) for at in range(len(path) + 1))
    return bool(path) and fnmatchcase(path[0], pattern[0]) and _matches(path[1:], pattern[1:])
