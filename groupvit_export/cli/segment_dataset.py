"""One file for all images of a run: put together from those of the images, one after the other."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final
from xml.etree import ElementTree

from groupvit_export.cli.segment_journal import SegmentJournal
from groupvit_runtime.files import write_atomically
from groupvit_runtime.formats import FORMATS
from groupvit_runtime.formats.cvat import CVAT_END
from groupvit_runtime.formats.yolo import yolo_classes

Pieces = Callable[[Sequence[Path], Sequence[str]], Iterator[bytes]]


def dataset_files(formats: Sequence[str]) -> dict[str, str]:
    """What the data set's file of each format is called, of those that have one."""
    return {name: DATASETS[name][0] for name in formats if name in DATASETS}


def write_datasets(
    output: Path,
    formats: Sequence[str],
    stems: Sequence[Path],
    names: Sequence[str],
    journal: SegmentJournal,
) -> list[Path]:
    """Write the data set's files; each is the old one or the new one at every moment.

    Args:
        output: the folder.
        formats: of which those count that have such a file.
        stems: what the paths of the images' files begin with.
        names: of all classes.
        journal: knows what was written before, and is told.

    Returns:
        The files.

    Raises:
        GroupViTError: somebody changed one, or it cannot be written.
    """
    written = []
    for name, file in dataset_files(formats).items():
        pieces = DATASETS[name][1]
        parts = [stem.with_name(stem.name + FORMATS[name].suffix) for stem in stems]
        # Twice, so that the journal knows it before it is there.
        digest = hashlib.sha256()
        for piece in pieces(parts, names):
            digest.update(piece)
        with journal.writing_file(file, digest.hexdigest()) as wanted:
            if wanted:
                write_atomically(output / file, pieces(parts, names), durable=False)
        written.append(output / file)
    return written


def _coco(parts: Sequence[Path], names: Sequence[str]) -> Iterator[bytes]:
    categories = [{"id": index, "name": name} for index, name in enumerate(names, 1)]
    yield f'{{"categories": {json.dumps(categories)},\n"images": ['.encode("ascii")
    for number, part in enumerate(parts, 1):
        (image,) = json.loads(part.read_bytes())["images"]
        yield _after_comma(number, {**image, "id": number})
    yield b'\n],\n"annotations": ['
    annotations = 0
    for number, part in enumerate(parts, 1):
        for annotation in json.loads(part.read_bytes())["annotations"]:
            annotations += 1
            yield _after_comma(annotations, {**annotation, "id": annotations, "image_id": number})
    yield b"\n]}\n"


def _after_comma(number: int, record: Mapping[str, object]) -> bytes:
    return f"{',' if number > 1 else ''}\n{json.dumps(record)}".encode("ascii")


def _cvat(parts: Sequence[Path], names: Sequence[str]) -> Iterator[bytes]:
    for number, part in enumerate(parts):
        text = part.read_text("utf-8")
        if number == 0:
            yield text[: text.index("<image ")].encode()
        image = ElementTree.fromstring(text).find("image")
        if image is not None:
            image.set("id", str(number))
            yield ElementTree.tostring(image, encoding="utf-8") + b"\n"
    yield f"{CVAT_END}\n".encode()


def _yolo(parts: Sequence[Path], names: Sequence[str]) -> Iterator[bytes]:
    del parts
    yield yolo_classes(names).encode()


DATASETS: Final[Mapping[str, tuple[str, Pieces]]] = MappingProxyType(
    {
        "coco": ("_annotations.coco.json", _coco),
        "cvat": ("_annotations.cvat.xml", _cvat),
        "yolo": ("data.yaml", _yolo),
    }
)
"""The name of the file, and what it is made of."""
