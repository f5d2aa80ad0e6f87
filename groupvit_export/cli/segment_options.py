"""What `groupvit segment` is told, and what it means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

from typer import Argument, Option

from groupvit_export.cli.options import (
    Bundle,
    Device,
    EnginePrecision,
    LabelNames,
    LabelsFile,
    Quiet,
    Templates,
    Threads,
    VerbArguments,
    check_exclusive,
    read_labels,
    split_names,
)
from groupvit_export.cli.segment_outputs import Outputs, read_formats
from groupvit_export.cli.segment_pictures import read_pictures
from groupvit_export.cli.segment_video import MP4, is_video
from groupvit_runtime.competition import check_threshold
from groupvit_runtime.errors import UsageError
from groupvit_runtime.formats import FORMATS
from groupvit_runtime.image_size import check_limit
from groupvit_runtime.manifest import DecodeName, check_decode

_ABSTAINING: Final = "Pixels that are none of the labels"
_FILES: Final = "Files"
_OBJECTS: Final = "Objects"


@dataclass(frozen=True, kw_only=True)
class Arguments(VerbArguments):
    """Options of `groupvit segment`."""

    bundle: Bundle
    images: Annotated[
        list[Path],
        Argument(
            metavar="IMAGE",
            help="files, folders, patterns in quotation marks; with mp4 videos or camera:0",
        ),
    ]
    labels: LabelNames = None
    labels_file: LabelsFile = None
    vocab: Annotated[
        str | None,
        Option(
            "--vocab",
            metavar="V",
            help="a vocabulary inside the bundle, or a file that groupvit vocab wrote",
        ),
    ] = None
    templates: Templates = None
    decode: Annotated[
        str | None, Option("--decode", metavar="D", help="hf or paper; default: the bundle's")
    ] = None
    max_pixels: Annotated[
        int | None,
        Option("--max-pixels", metavar="N", help="refuse larger images; default: 178,956,970"),
    ] = None
    digest: Annotated[
        str | None,
        Option("--digest", metavar="SHA256", help="refuse a bundle with another; see groupvit inspect"),
    ] = None
    device: Device = None
    precision: EnginePrecision = None
    threads: Threads = None
    as_json: Annotated[bool, Option("--json", help="print a JSON line an image")] = False
    quiet: Quiet = False
    threshold: Annotated[
        float | None,
        Option(
            "--threshold",
            metavar="T",
            help="below this score (0 to 1) a pixel is unlabeled",
            rich_help_panel=_ABSTAINING,
        ),
    ] = None
    negatives: Annotated[
        str | None,
        Option(
            "--negatives",
            metavar="A,B,...",
            help="names that compete; what they win is unlabeled",
            rich_help_panel=_ABSTAINING,
        ),
    ] = None
    background_threshold: Annotated[
        float | None,
        Option(
            "--background-threshold",
            metavar="T",
            help="paper decode: below it a pixel is background",
            rich_help_panel=_ABSTAINING,
        ),
    ] = None
    output: Annotated[
        Path,
        Option(
            "-o",
            "--output",
            metavar="DIR",
            help="default: segmented",
            show_default=False,
            rich_help_panel=_FILES,
        ),
    ] = Path("segmented")
    formats: Annotated[
        str,
        Option(
            "--format",
            metavar="F,...",
            help=f"{' '.join(FORMATS)}; or mp4 for videos; default: png",
            show_default=False,
            rich_help_panel=_FILES,
        ),
    ] = "png"
    show: Annotated[
        str,
        Option(
            "--show",
            metavar="P,...",
            help="overlay, heatmap:NAME, confidence, groups, groups:STAGE, or none; default: overlay",
            show_default=False,
            rich_help_panel=_FILES,
        ),
    ] = "overlay"
    gray_labels: Annotated[
        bool,
        Option(
            "--gray-labels",
            help="label maps without a palette: OpenCV reads the labels then",
            rich_help_panel=_FILES,
        ),
    ] = False
    force: Annotated[
        bool, Option("--force", help="do every image anew, and overwrite", rich_help_panel=_FILES)
    ] = False
    recursive: Annotated[
        bool,
        Option("--recursive", help="take the images in folders below a folder, too", rich_help_panel=_FILES),
    ] = False
    frames: Annotated[
        int | None,
        Option("--frames", metavar="N", help="mp4: stop after so many", rich_help_panel=_FILES),
    ] = None
    objects: Annotated[bool, Option("--objects", help="list them in --json", rich_help_panel=_OBJECTS)] = (
        False
    )
    min_area: Annotated[
        int,
        Option(
            "--min-area", metavar="PIXELS", help="leave smaller ones out; default: 1",
            show_default=False, rich_help_panel=_OBJECTS,
        ),
    ] = 1  # fmt: skip
    opening: Annotated[
        int,
        Option(
            "--opening", metavar="RADIUS", help="take off what is narrower; in pixels",
            show_default=False, rich_help_panel=_OBJECTS,
        ),
    ] = 0  # fmt: skip
    closing: Annotated[
        int,
        Option(
            "--closing", metavar="RADIUS", help="close gaps that are narrower; in pixels",
            show_default=False, rich_help_panel=_OBJECTS,
        ),
    ] = 0  # fmt: skip


@dataclass(frozen=True)
class Request:
    """The same, read and checked as far as that goes without the bundle.

    Attributes:
        labels: None where a vocabulary is named.
        negatives: or None.
        decode: None for the bundle's.
        outputs: of images; None where videos are wanted.
    """

    labels: list[str] | None
    negatives: list[str] | None
    decode: DecodeName | None
    outputs: Outputs | None


def read_request(arguments: Arguments) -> Request:
    """Check the options before anything is loaded.

    Raises:
        UsageError: two of them exclude each other, or one cannot mean anything.
        LabelError: the file of labels cannot be read.
    """
    check_exclusive(
        {"--labels": arguments.labels, "--labels-file": arguments.labels_file, "--vocab": arguments.vocab},
        required=True,
    )
    check_threshold(arguments.threshold)
    threshold = arguments.background_threshold
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError("a background threshold is a probability", got=threshold, expected="0 to 1")
    decode = None if arguments.decode is None else check_decode(arguments.decode)
    check_limit(arguments.max_pixels)
    outputs = _outputs(arguments)
    _check_videos(arguments.images, videos=outputs is None, frames=arguments.frames)
    return Request(read_labels(arguments), split_names(arguments.negatives), decode, outputs)


def _outputs(arguments: Arguments) -> Outputs | None:
    if arguments.formats.strip() == MP4:
        return None
    outputs = Outputs(
        folder=arguments.output,
        formats=read_formats(arguments.formats),
        pictures=read_pictures(arguments.show),
        gray=arguments.gray_labels,
        list_objects=arguments.objects,
        min_area=arguments.min_area,
        opening=arguments.opening,
        closing=arguments.closing,
    )
    if not outputs.has_objects and (arguments.min_area, arguments.opening, arguments.closing) != (1, 0, 0):
        raise UsageError(
            "no objects are asked for that --min-area, --opening and --closing could be of",
            got=f"--format {arguments.formats}",
            expected=f"--objects, or --format {', '.join(name for name in FORMATS if FORMATS[name].objects)}",
        )
    return outputs


def _check_videos(images: Sequence[Path], *, videos: bool, frames: int | None) -> None:
    films = [image for image in images if is_video(image)]
    if films and not videos:
        raise UsageError("a video is segmented into a video", got=str(films[0]), fix="add --format mp4")
    if frames is not None and (not videos or frames < 1):
        raise UsageError("--frames is for --format mp4, and 1 or more", got=frames)
    others = [image for image in images if image not in films]
    if videos and others:
        raise UsageError(
            "--format mp4 is for videos alone",
            got=str(others[0]),
            expected="files with the name of a video, or camera:0",
            fix="leave --format out for images",
        )
