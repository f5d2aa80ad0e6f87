"""What tests of bulk runs do where Ray and Arrow are: makes inputs, reads outputs, runs workers that die.

Usage: python bulk_in_ray.py rows OUTPUT | table FOLDER FILE | poison BUNDLE FOLDER OUTPUT
"""

from __future__ import annotations

import base64
import json
import os
import sys
from pathlib import Path
from typing import Any

from pyarrow import Table, dataset, parquet

from groupvit_export.bulk.options import Resources, SegmentOptions, Source
from groupvit_export.bulk.run import segment_in_bulk
from groupvit_export.bulk.worker import Worker
from groupvit_runtime import Segmenter

POISON = "poison"


class Poisoned(Worker):
    """Ends its process at an image of this name, as one that eats all memory does."""

    def _row(self, path: str, image: bytes | None, has_bytes: bool) -> dict[str, Any]:
        if POISON in path:
            os._exit(1)
        return super()._row(path, image, has_bytes)


def _rows(output: str) -> None:
    # As anybody reads a folder of Parquet files.
    rows = dataset.dataset(output, format="parquet").to_table().to_pylist()
    for row in rows:
        row["labels"] = None if row["labels"] is None else base64.b64encode(row["labels"]).decode()
    print(json.dumps(rows))


def _table(folder: str, file: str) -> None:
    paths = sorted(Path(folder).rglob("*"))
    found = {"key": [path.name for path in paths], "data": [path.read_bytes() for path in paths]}
    parquet.write_table(Table.from_pydict(found), file)


def _poison(bundle: str, folder: str, output: str) -> None:
    segmenter = Segmenter.load(bundle, threads=1)
    options = SegmentOptions(bundle=bundle, digest=segmenter.digest, threads=1)
    count = segment_in_bulk(
        Source(folder, "images"),
        output,
        options,
        segmenter.vocabulary(["water", "red car"]),
        Resources(actors=1, rows=4),
        worker=Poisoned,
    )
    print(json.dumps({"images": count.images, "failed": count.failed}))


if __name__ == "__main__":
    {"rows": _rows, "table": _table, "poison": _poison}[sys.argv[1]](*sys.argv[2:])
