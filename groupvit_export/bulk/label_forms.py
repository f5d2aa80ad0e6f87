"""The label map of a row: a PNG in it, COCO's run lengths, or a file beside the parts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any, Final

import numpy as np

from groupvit_export.bulk.folder import Folder
from groupvit_export.bulk.options import LabelsForm
from groupvit_export.bulk.parts import digest_of
from groupvit_runtime import Segmentation
from groupvit_runtime.image_folder import LABELS_SUFFIX
from groupvit_runtime.optional import optional

_STEM: Final = 60
_UNSAFE: Final = re.compile(r"[^\w.-]+")


def label_columns(
    form: LabelsForm, path: str, result: Segmentation, output: Folder
) -> dict[str, bytes | str]:
    """The columns of a row that hold its label map.

    Args:
        form: of the label map.
        path: of the image.
        result: of segmenting it.
        output: the folder that files go to.

    Raises:
        GroupViTError: a file cannot be written.
        MissingDependencyError: pycocotools is not installed, and run lengths are asked for.
    """
    if form == "rle":
        return {"labels": _runs(result)}
    file = BytesIO()
    result.save_labels(file)
    if form == "png":
        return {"labels": file.getvalue()}
    name = labels_file(path)
    # Before the row that names it.
    output.write(name, file.getvalue())
    return {"labels_file": name}


def labels_file(path: str) -> str:
    """Name of the file of an image's label map in the output: of one that is like no other's, for people.

    Readers of Parquet folders pass over the underscore. In 256 folders: file systems and their users take
    badly to one with millions of files.
    """
    digest = digest_of([path])
    stem = _UNSAFE.sub("_", PurePosixPath(path.replace("#", "/")).stem)[:_STEM]
    return f"_labels/{digest[:2]}/{digest[2:18]}-{stem}{LABELS_SUFFIX}"


def run_lengths() -> Callable[[Any], Any]:
    """COCO's encoder of masks.

    Raises:
        MissingDependencyError: pycocotools is not installed.
    """
    with optional("pycocotools", extra="formats", needed_for="--label-maps rle"):
        from pycocotools import mask
    encode: Callable[[Any], Any] = mask.encode
    return encode


def _runs(result: Segmentation) -> bytes:
    encode, found = run_lengths(), {}
    for name in result.shares():
        run = encode(np.asfortranarray(result.mask(name), np.uint8))
        found[name] = {"size": list(run["size"]), "counts": run["counts"].decode("ascii")}
    return json.dumps(found, ensure_ascii=False).encode()
