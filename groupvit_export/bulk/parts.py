"""The output: Parquet files, each written at once, that say which images are done."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from io import BytesIO
from typing import Any, Final

from groupvit_export.bulk.folder import Folder
from groupvit_export.errors import GroupViTError

_PREFIX: Final = "part-"


def schema() -> Any:
    """Of a part: a row an image, with an error or with all else."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field("path", pa.string(), nullable=False),
            pa.field("width", pa.int32()),
            pa.field("height", pa.int32()),
            pa.field("labels", pa.binary()),
            pa.field("labels_file", pa.string()),
            pa.field("names", pa.list_(pa.string())),
            pa.field("shares", pa.map_(pa.string(), pa.float64())),
            pa.field("scores", pa.map_(pa.string(), pa.float64())),
            pa.field("error", pa.string()),
        ]
    )


def part_name(paths: Sequence[str]) -> str:
    """Of the part with these images: who does the same work again, replaces what was there."""
    return f"{_PREFIX}{digest_of(paths)}.parquet"


def digest_of(paths: Sequence[str]) -> str:
    """What tells a sequence of images from any other, in 32 letters."""
    # A name that is no Unicode has surrogates in it.
    return hashlib.sha256("\0".join(paths).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def write_part(folder: Folder, rows: Sequence[dict[str, Any]]) -> None:
    """Write a part so that it is there whole, or not at all.

    Raises:
        GroupViTError: it cannot be written.
    """
    import pyarrow as pa
    from pyarrow import parquet

    file = BytesIO()
    parquet.write_table(pa.Table.from_pylist(list(rows), schema()), file, compression="zstd")
    folder.write(part_name([row["path"] for row in rows]), file.getvalue())


def failures(folder: Folder, paths: Sequence[str]) -> int | None:
    """How many images of a part that is there have an error; None where it is not.

    Raises:
        GroupViTError: it cannot be read.
    """
    from pyarrow import ArrowException, parquet

    name = part_name(paths)
    try:
        data = folder.read(name)
        if data is None:
            return None
        column = parquet.read_table(BytesIO(data), columns=["error"])["error"]
    except (ArrowException, OSError) as error:
        raise unreadable(folder, f"{folder.file(name)}: {error}") from error
    return len(column) - int(column.null_count)


def done_paths(folder: Folder) -> set[str]:
    """Images that have a row.

    Raises:
        GroupViTError: a file there is no part.
    """
    from pyarrow import ArrowException, dataset, fs

    try:
        found = folder.system.get_file_info(fs.FileSelector(folder.path, allow_not_found=True))
        parts = [
            item.path for item in found if item.base_name.startswith(_PREFIX) and item.extension == "parquet"
        ]
        if not parts:
            return set()
        table = dataset.dataset(parts, schema(), format="parquet", filesystem=folder.system)
        return set(table.to_table(["path"])["path"].to_pylist())
    except (ArrowException, OSError) as error:
        raise unreadable(folder, str(error)) from error


def unreadable(folder: Folder, got: str) -> GroupViTError:
    """Of a part that somebody damaged."""
    return GroupViTError(
        "what is done already cannot be read",
        got=got,
        expected="parts as this command writes them",
        fix=f"take the file out of {folder.path}; its images are then segmented anew",
    )
