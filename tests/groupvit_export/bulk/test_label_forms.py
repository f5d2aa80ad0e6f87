"""A label map as a PNG, as COCO's run lengths, and as a file."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from local_system import local_folder
from made_results import blobs, made_result
from PIL import Image
from pycocotools import mask

from groupvit_export.bulk.label_forms import label_columns, labels_file

RESULT = made_result(blobs(3, (31, 45)))


def test_a_png_in_the_row(tmp_path: Path) -> None:
    columns = label_columns("png", "a.jpg", RESULT, local_folder(tmp_path))
    assert list(columns) == ["labels"]
    with Image.open(BytesIO(columns["labels"])) as image:  # type: ignore[arg-type]
        assert np.array_equal(np.asarray(image), RESULT.labels)
    assert list(tmp_path.iterdir()) == []


def test_run_lengths_are_what_coco_reads(tmp_path: Path) -> None:
    columns = label_columns("rle", "a.jpg", RESULT, local_folder(tmp_path))
    found = json.loads(columns["labels"])
    assert set(found) == set(RESULT.shares())
    for name, runs in found.items():
        assert np.array_equal(mask.decode(runs), RESULT.mask(name)), name


def test_a_file_beside_the_row(tmp_path: Path) -> None:
    columns = label_columns("files", "s3://b/x/Käse 1.jpg", RESULT, local_folder(tmp_path))
    path = tmp_path / str(columns["labels_file"])
    with Image.open(path) as image:
        assert np.array_equal(np.asarray(image), RESULT.labels)
    assert path.name.endswith("-Käse_1.labels.png")


@pytest.mark.parametrize("path", ["../../etc/x", "a/..", "shard.tar#../k", "x" * 300, "", "a\udcffb.jpg"])
def test_a_file_stays_below_its_folder(path: str) -> None:
    top, folder, name = labels_file(path).split("/")
    assert top == "_labels" and len(folder) == 2 and name not in (".", "..")
    assert len(name.encode()) < 255


def test_no_two_images_share_a_file() -> None:
    paths = ("a/x.jpg", "b/x.jpg", "a/x.png", "t.tar#x")
    assert len({labels_file(path) for path in paths}) == len(paths)
