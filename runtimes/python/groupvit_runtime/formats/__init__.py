"""What other programs open: files of one image's result, by format."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from groupvit_runtime.errors import UsageError
from groupvit_runtime.files import write_atomically
from groupvit_runtime.formats.coco import coco_document
from groupvit_runtime.formats.cvat import CVAT_END, cvat_head, cvat_image
from groupvit_runtime.formats.geojson import geojson_document
from groupvit_runtime.formats.labelme import labelme_document
from groupvit_runtime.formats.yolo import yolo_lines
from groupvit_runtime.objects import SegmentedObject

if TYPE_CHECKING:
    from groupvit_runtime.result import Segmentation


@dataclass(frozen=True)
class Material:
    """What a file is made of.

    Attributes:
        result: of the image.
        objects: of the result.
        file_name: of the image, as a data set names it.
        image_path: from the folder of the file to the image.
        gray: label maps have no palette.
    """

    result: Segmentation
    objects: Sequence[SegmentedObject]
    file_name: str
    image_path: str
    gray: bool

    @cached_property
    def size(self) -> tuple[int, int]:
        """(height, width) of the image."""
        height, width = self.result.labels.shape
        return height, width

    @cached_property
    def colors(self) -> Mapping[str, Sequence[int]]:
        """RGB by name."""
        return self.result.colors()


@dataclass(frozen=True)
class FileFormat:
    """A kind of file.

    Attributes:
        suffix: what its name ends in, after the image's.
        summary: what it is, in a few words.
        objects: whether it is made of objects, and not of the label map.
        encode: its contents.
    """

    suffix: str
    summary: str
    objects: bool
    encode: Callable[[Material], bytes]


def _png(material: Material) -> bytes:
    file = io.BytesIO()
    material.result.save_labels(file, gray=material.gray)
    return file.getvalue()


def _npz(material: Material) -> bytes:
    result, file = material.result, io.BytesIO()
    np.savez_compressed(
        file,
        labels=result.labels,
        names=np.array(result.names),
        confidence=result.confidence,
        score_names=np.array(result.score_names),
        coarse_scores=result.coarse_scores(),
    )
    return file.getvalue()


def _coco(material: Material) -> bytes:
    return _json(
        coco_document(material.objects, material.result.names, material.size, file_name=material.file_name)
    )


def _labelme(material: Material) -> bytes:
    return _json(labelme_document(material.objects, material.size, image_path=material.image_path))


def _geojson(material: Material) -> bytes:
    return _json(geojson_document(material.objects, material.colors))


def _cvat(material: Material) -> bytes:
    head = cvat_head(material.result.names, material.colors)
    image = cvat_image(material.objects, material.size, file_name=material.file_name)
    return f"{head}{image}{CVAT_END}\n".encode()


def _yolo(material: Material) -> bytes:
    return yolo_lines(material.objects).encode()


def _json(document: Any) -> bytes:
    return f"{json.dumps(document)}\n".encode("ascii")


FORMATS: Final[Mapping[str, FileFormat]] = MappingProxyType(
    {
        "png": FileFormat(".labels.png", "the label map", False, _png),
        "npz": FileFormat(".npz", "NumPy: label map, confidence, coarse scores", False, _npz),
        "coco": FileFormat(".coco.json", "COCO: objects with run-length encoded masks", True, _coco),
        "labelme": FileFormat(".json", "labelme: polygons, and masks where there are holes", True, _labelme),
        "geojson": FileFormat(".geojson", "GeoJSON: polygons with holes, in pixels", True, _geojson),
        "cvat": FileFormat(".cvat.xml", "CVAT for images 1.1: masks", True, _cvat),
        "yolo": FileFormat(".txt", "YOLO segmentation: a polygon an object", True, _yolo),
    }
)
"""The formats by the name that users give them."""


def check_format(name: str) -> str:
    """`name`, if it is that of a format.

    Raises:
        UsageError: there is no such format.
    """
    if name not in FORMATS:
        raise UsageError("there is no such format", got=repr(name), expected=" ".join(FORMATS))
    return name


def save(
    result: Segmentation,
    path: str | Path,
    format: str,
    objects: Sequence[SegmentedObject] | None,
    image: str | Path | None,
) -> None:
    """Write a file of one image; see `Segmentation.save_as`."""
    target = Path(path)
    names = ("image", None) if image is None else image_names(target, Path(image))
    contents = encode(result, format, objects=objects, file_name=names[0], image_path=names[1])
    write_atomically(target, contents)


def image_names(target: Path, image: Path) -> tuple[str, str]:
    """What the file `target` calls its image: by its name, and by the path from where the file is."""
    try:
        relative = os.path.relpath(image.absolute(), target.absolute().parent)
    except ValueError:
        # On another drive of Windows.
        relative = str(image.absolute())
    return image.name, Path(relative).as_posix()


def encode(
    result: Segmentation,
    format: str,
    *,
    objects: Sequence[SegmentedObject] | None = None,
    file_name: str = "image",
    image_path: str | None = None,
    gray: bool = False,
) -> bytes:
    """The contents of a file of one image.

    Args:
        result: of the image.
        format: one of `FORMATS`.
        objects: those that go into it; None for all of the result.
        file_name: of the image, as COCO and CVAT name it.
        image_path: from the folder of the file to the image, for labelme; None for `file_name`.
        gray: a label map without a palette.

    Raises:
        UsageError: there is no such format.
        MissingDependencyError: the package that makes it is not installed.
    """
    kind = FORMATS[check_format(format)]
    if objects is None:
        objects = result.objects() if kind.objects else ()
    return kind.encode(Material(result, objects, file_name, image_path or file_name, gray))
