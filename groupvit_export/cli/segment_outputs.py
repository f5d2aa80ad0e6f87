"""Which files `groupvit segment` makes of an image."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from groupvit_export.cli.segment_journal import Job
from groupvit_export.cli.segment_pictures import Picture, picture_suffixes
from groupvit_export.errors import UsageError
from groupvit_runtime.formats import FORMATS, check_format, encode, image_names
from groupvit_runtime.image_folder import LABELS_SUFFIX, RECORD_SUFFIX
from groupvit_runtime.objects import SegmentedObject
from groupvit_runtime.result import Segmentation

MakeRecord = Callable[[Segmentation, Path, bytes], dict[str, Any]]


@dataclass(frozen=True)
class Encoded:
    """What one image gives.

    Attributes:
        contents: of its files, by their suffixes.
        objects: a record each, for machines; None where nobody asked for them.
    """

    contents: dict[str, bytes]
    objects: list[dict[str, Any]] | None


@dataclass(frozen=True)
class Outputs:
    """The files that are wanted.

    Attributes:
        folder: that they go into.
        formats: names of `FORMATS`.
        pictures: in their order.
        gray: label maps without a palette.
        list_objects: objects are wanted by themselves, too.
        min_area, opening, closing: of objects; see `Segmentation.objects`.
    """

    folder: Path
    formats: tuple[str, ...]
    pictures: tuple[Picture, ...]
    gray: bool = False
    list_objects: bool = False
    min_area: int = 1
    opening: int = 0
    closing: int = 0

    @cached_property
    def suffixes(self) -> tuple[str, ...]:
        """What the names of an image's files end in; that of the one to look at is the last."""
        records = (RECORD_SUFFIX,) if "png" in self.formats else ()
        first = (*(FORMATS[name].suffix for name in self.formats), *records)
        return (*first, *reversed(self._drawn))

    @cached_property
    def _drawn(self) -> dict[str, Picture]:
        return picture_suffixes(self.pictures)

    @property
    def key(self) -> tuple[object, ...]:
        """Of all that the contents of the files depend on."""
        return self.formats, self.pictures, self.gray, self.min_area, self.opening, self.closing

    @property
    def has_objects(self) -> bool:
        """Whether objects are looked for at all."""
        return self.list_objects or any(FORMATS[name].objects for name in self.formats)

    def encode(self, job: Job, result: Segmentation, make_record: MakeRecord) -> Encoded:
        """The files of one image.

        Raises:
            MissingDependencyError: a package that makes one of them is not installed.
        """
        objects = None
        if self.has_objects:
            objects = result.objects(min_area=self.min_area, opening=self.opening, closing=self.closing)
        contents: dict[str, bytes] = {}
        for name in self.formats:
            path = job.results[FORMATS[name].suffix]
            contents[FORMATS[name].suffix] = encode(
                result,
                name,
                objects=objects or (),
                # As the results lie below the output folder, so the images lie below theirs.
                file_name=(job.stem.relative_to(self.folder).parent / job.image.name).as_posix(),
                image_path=image_names(path, job.image)[1],
                gray=self.gray,
            )
        if "png" in self.formats:
            record = make_record(result, job.image, contents[LABELS_SUFFIX])
            contents[RECORD_SUFFIX] = f"{json.dumps(record, indent=1)}\n".encode("ascii")
        for suffix, picture in self._drawn.items():
            file = io.BytesIO()
            # As small as zlib's default makes it, in a fifth of the time, which was longer than the engine's.
            picture.draw(result).save(file, format="PNG", compress_level=1, compress_type=zlib.Z_RLE)
            contents[suffix] = file.getvalue()
        listed = None if not self.list_objects else [_object_record(item) for item in objects or ()]
        return Encoded(contents, listed)

    def paths(self, job: Job) -> dict[str, str]:
        """The paths of an image's files by kind, for machines."""
        kinds = {FORMATS[name].suffix: name for name in self.formats}
        kinds |= {LABELS_SUFFIX: "labels", RECORD_SUFFIX: "record"}
        return {kinds.get(suffix, suffix.split(".")[1]): str(path) for suffix, path in job.results.items()}

    def shown(self, job: Job) -> Path:
        """The one that people look at first."""
        return list(job.results.values())[-1]


def read_formats(text: str) -> tuple[str, ...]:
    """The formats of a list with commas.

    Raises:
        UsageError: there is no such format, or one is given twice.
    """
    formats = tuple(check_format(word.strip()) for word in text.split(","))
    if len(set(formats)) < len(formats):
        raise UsageError("a format is given twice", got=text, expected="each once")
    return formats


def _object_record(item: SegmentedObject) -> dict[str, Any]:
    return {"name": item.name, "box": list(item.box), "area": item.area, "score": item.score}
