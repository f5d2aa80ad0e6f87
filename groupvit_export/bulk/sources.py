"""The images of a run, as a Ray data set of what is not done yet."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Any, Final

from groupvit_export.bulk.listing import list_files, list_images
from groupvit_export.bulk.options import Source, SourceName
from groupvit_export.errors import GroupViTError, UsageError

_MEMBERS: Final = ("jpg", "jpeg", "png", "webp")
"""Of a WebDataset's samples, the first that there is."""

_MOST_BLOCKS: Final = 10_000
"""Ray's scheduler keeps each in mind."""


@dataclass(frozen=True, eq=False)
class Images:
    """What there is to do.

    Attributes:
        rows: a `ray.data.Dataset` with "path" and, where the source has them, "image" with the bytes.
        total: images in all; None where only reading them tells.
        left: of these, not done yet.
    """

    rows: Any
    total: int | None
    left: int | None


def images_of(source: Source, done: set[str], batch: int) -> Images:
    """What of a source is not done.

    Args:
        source: where.
        done: paths that have a row.
        batch: images that an actor is given at a time.

    Raises:
        UsageError: there is nothing of this kind.
        GroupViTError: it cannot be read.
    """
    return _READ[source.kind](source, done, batch)


def guess_kind(place: str) -> SourceName:
    """What a place holds, by the ending of its name."""
    ending = PurePosixPath(place).suffix.lower()
    kinds: dict[str, SourceName] = {".parquet": "parquet", ".tar": "webdataset"}
    return kinds.get(ending, "images")


def _files(source: Source, done: set[str], batch: int) -> Images:
    import pyarrow as pa
    import ray

    paths = list_images(source.place)
    left = [path for path in paths if path not in done]
    # A block is what an actor that dies begins anew.
    size = batch * max(1, math.ceil(len(left) / batch / _MOST_BLOCKS))
    blocks = [
        pa.table({"path": pa.array(left[at : at + size], pa.string())}) for at in range(0, len(left), size)
    ]
    return Images(ray.data.from_arrow(blocks) if blocks else None, len(paths), len(left))


def _tables(source: Source, done: set[str], batch: int) -> Images:
    import ray

    files = list_files(source.place, (".parquet",))
    column = source.image_column
    names = {source.path_column: "path"} if column is None else {source.path_column: "path", column: "image"}
    there = _columns(files[0])
    if missing := [name for name in names if name not in there]:
        raise UsageError(
            "the table has no such column",
            got=f"{', '.join(missing)}: {files[0]} has {', '.join(there)}",
            expected="a column of paths, and one of images as bytes",
            fix="--path-column and --image-column; --image-column '' where the paths are to be opened",
        )
    rows = ray.data.read_parquet(files, columns=list(names))
    changed = {old: new for old, new in names.items() if old != new}
    return _not_done(rows.rename_columns(changed) if changed else rows, done)


def _columns(file: str) -> list[str]:
    from pyarrow import ArrowException, parquet

    from groupvit_export.bulk.folder import Folder

    place = Folder.at(file)
    try:
        names: list[str] = parquet.read_schema(place.path, filesystem=place.system).names
    except (ArrowException, OSError) as error:
        raise GroupViTError("a table cannot be read", got=f"{file}: {error}") from error
    return names


def _tars(source: Source, done: set[str], batch: int) -> Images:
    import ray

    files = list_files(source.place, (".tar",))
    # Without its own decoder: a broken image would end the run.
    rows = ray.data.read_webdataset(files, decoder=None, include_paths=True)
    return _not_done(rows.map_batches(_named, batch_format="pyarrow", batch_size=None), done)


def _named(table: Any) -> Any:
    """Samples as "path" and "image"."""
    import pyarrow as pa

    keys = [key.decode() if isinstance(key, bytes) else str(key) for key in table["__key__"].to_pylist()]
    paths = [f"{path}#{key}" for path, key in zip(table["path"].to_pylist(), keys, strict=True)]
    members = [table[name].to_pylist() for name in _MEMBERS if name in table.column_names]
    images = [next((data for data in row if data is not None), b"") for row in _across(members, len(paths))]
    return pa.table({"path": pa.array(paths, pa.string()), "image": pa.array(images, pa.large_binary())})


def _across(columns: Sequence[Sequence[Any]], rows: int) -> list[tuple[Any, ...]]:
    return list(zip(*columns, strict=True)) if columns else [()] * rows


def _not_done(rows: Any, done: set[str]) -> Images:
    if not done:
        return Images(rows, None, None)

    def left(table: Any) -> Any:
        return table.filter([str(path) not in done for path in table["path"].to_pylist()])

    return Images(rows.map_batches(left, batch_format="pyarrow", batch_size=None), None, None)


_READ: Final[Mapping[str, Callable[[Source, set[str], int], Images]]] = MappingProxyType(
    {"images": _files, "parquet": _tables, "webdataset": _tars}
)
