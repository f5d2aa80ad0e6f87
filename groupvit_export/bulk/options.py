"""What a bulk run is asked for, in the form that is sent to its actors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from groupvit_runtime.manifest import DecodeName

LabelsForm = Literal["png", "rle", "files"]
LABELS_FORMS: Final[tuple[LabelsForm, ...]] = ("png", "rle", "files")

SourceName = Literal["images", "parquet", "webdataset"]
SOURCES: Final[tuple[SourceName, ...]] = ("images", "parquet", "webdataset")


@dataclass(frozen=True)
class SegmentOptions:
    """How every image is segmented, and how its label map is kept.

    Attributes:
        bundle: a path that is the same on every machine.
        digest: of the bundle, so that no actor opens another.
        decode: None for the bundle's own.
        device, threads: of the engine of each actor.
        precision: of the image engine, where the bundle has several.
        threshold: below it a pixel is unlabeled; None for no such pixels.
        max_pixels: larger images are rows with an error.
        labels: "png", a label map as `groupvit segment` writes it; "rle", COCO's run lengths by name, JSON;
            "files", the same PNGs as files of the output, named in the row.
    """

    bundle: str
    digest: str
    decode: DecodeName | None = None
    device: str | None = None
    threads: int | None = None
    precision: str | None = None
    threshold: float | None = None
    max_pixels: int | None = None
    labels: LabelsForm = "png"


@dataclass(frozen=True)
class Resources:
    """What the actors are given.

    Attributes:
        actors: how many; None for as many as there is room for, of this machine one processor left free.
        cpus, gpus: of each.
        address: of a Ray cluster; None to start one on this machine.
        rows: images of a part of the output: what is lost at most where an actor dies.
    """

    actors: int | None = None
    cpus: int = 1
    gpus: float = 0.0
    address: str | None = None
    rows: int = 64


@dataclass(frozen=True)
class Source:
    """Where the images are.

    Attributes:
        place: a folder, a file, a pattern of local files, or a URI such as s3://bucket/folder.
        kind: "images" for files of images, "parquet" for tables with a column of paths and one of bytes,
            "webdataset" for tar files.
        path_column: of tables: what tells images apart.
        image_column: of tables: the bytes of the files; None where the paths are opened.
    """

    place: str
    kind: SourceName
    path_column: str = "path"
    image_column: str | None = "image"
