"""`groupvit bulk`."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TextIO

from typer import Argument, Option

from groupvit_export.bulk.options import LABELS_FORMS, SOURCES, Resources, SegmentOptions, Source
from groupvit_export.cli.options import (
    Bundle,
    Device,
    EnginePrecision,
    Json,
    LabelNames,
    LabelsFile,
    Quiet,
    Templates,
    Threads,
    VerbArguments,
    check_exclusive,
    read_labels,
    read_templates,
)
from groupvit_export.cli.output import note, print_json, say
from groupvit_export.cli.progress import ShareProgress
from groupvit_export.errors import UsageError
from groupvit_runtime.competition import check_threshold
from groupvit_runtime.manifest import check_decode

if TYPE_CHECKING:
    from groupvit_export.bulk.run import Count

_FAILED = 1
_INPUT = "Images"
_ACTORS = "Actors"


@dataclass(frozen=True, kw_only=True)
class Arguments(VerbArguments):
    """Options of `groupvit bulk`."""

    bundle: Bundle
    images: Annotated[
        str, Argument(metavar="INPUT", help="a folder, a pattern in quotation marks, a file, or s3://, gs://")
    ]
    output: Annotated[str, Argument(metavar="OUTPUT", help="a folder, or s3://, gs://, of Parquet files")]
    labels: LabelNames = None
    labels_file: LabelsFile = None
    vocab: Annotated[
        str | None,
        Option(
            "--vocab", metavar="V", help="a vocabulary inside the bundle, or a file that groupvit vocab wrote"
        ),
    ] = None
    templates: Templates = None
    decode: Annotated[
        str | None, Option("--decode", metavar="D", help="hf or paper; default: the bundle's")
    ] = None
    threshold: Annotated[
        float | None,
        Option("--threshold", metavar="T", help="below this score (0 to 1) a pixel is unlabeled"),
    ] = None
    max_pixels: Annotated[
        int | None, Option("--max-pixels", metavar="N", help="larger images are rows with an error")
    ] = None
    label_maps: Annotated[
        str,
        Option(
            "--label-maps",
            metavar="F",
            help="png; rle: COCO's run lengths by name; files: PNGs beside the table; default: png",
            show_default=False,
        ),
    ] = LABELS_FORMS[0]
    device: Device = None
    precision: EnginePrecision = None
    as_json: Json = False
    quiet: Quiet = False
    kind: Annotated[
        str | None,
        Option(
            "--input-format",
            metavar="K",
            help=f"{', '.join(SOURCES)}; default: by the ending of INPUT",
            rich_help_panel=_INPUT,
        ),
    ] = None
    path_column: Annotated[
        str,
        Option(
            "--path-column",
            metavar="C",
            help="parquet: what tells images apart; default: path",
            show_default=False,
            rich_help_panel=_INPUT,
        ),
    ] = "path"
    image_column: Annotated[
        str,
        Option(
            "--image-column",
            metavar="C",
            help="parquet: bytes of the files; default: image; '' where the paths are to be opened",
            show_default=False,
            rich_help_panel=_INPUT,
        ),
    ] = "image"
    actors: Annotated[
        int | None,
        Option(
            "--actors",
            metavar="N",
            help="processes with an engine; default: as many as there is room for, one processor left free",
            rich_help_panel=_ACTORS,
        ),
    ] = None
    cpus: Annotated[
        int,
        Option(
            "--cpus",
            metavar="N",
            help="of each, and threads of its engine; default: 1",
            show_default=False,
            rich_help_panel=_ACTORS,
        ),
    ] = 1
    gpus: Annotated[
        float,
        Option(
            "--gpus",
            metavar="N",
            help="of each; 0.5 for two on one; default: 0",
            show_default=False,
            rich_help_panel=_ACTORS,
        ),
    ] = 0.0
    batch_size: Annotated[
        int,
        Option(
            "--batch-size",
            metavar="N",
            help="images of a part of the output; default: 64",
            show_default=False,
            rich_help_panel=_ACTORS,
        ),
    ] = 64
    address: Annotated[
        str | None,
        Option(
            "--address",
            metavar="A",
            help="of a Ray cluster; default: Ray is started on this machine",
            rich_help_panel=_ACTORS,
        ),
    ] = None
    threads: Threads = None


def run(arguments: Arguments) -> int:
    source, resources = _source(arguments), _resources(arguments)
    check_exclusive(
        {"--labels": arguments.labels, "--labels-file": arguments.labels_file, "--vocab": arguments.vocab},
        required=True,
    )
    forms = {form: form for form in LABELS_FORMS}
    if arguments.label_maps not in forms:
        raise UsageError(
            "unknown form of label maps", got=arguments.label_maps, expected=" or ".join(LABELS_FORMS)
        )
    check_threshold(arguments.threshold)
    from groupvit_export.bulk.cluster import require_ray
    from groupvit_export.bulk.label_forms import run_lengths
    from groupvit_export.bulk.run import segment_in_bulk
    from groupvit_runtime import Segmenter, Vocabulary

    require_ray()
    if arguments.label_maps == "rle":
        run_lengths()

    segmenter = Segmenter.load(arguments.bundle, device=arguments.device, precision=arguments.precision)
    named = arguments.vocab or ""
    is_file = named.endswith(".safetensors") or Path(named).is_file()
    words = read_labels(arguments) if not named else Vocabulary.load(Path(named)) if is_file else named
    vocabulary = segmenter.vocabulary(words or [], templates=read_templates(arguments.templates))
    options = SegmentOptions(
        bundle=str(Path(arguments.bundle).absolute()),
        digest=segmenter.digest,
        decode=None if arguments.decode is None else check_decode(arguments.decode),
        device=arguments.device,
        threads=arguments.threads or arguments.cpus,
        precision=segmenter.image_engine.precision,
        threshold=arguments.threshold,
        max_pixels=arguments.max_pixels,
        labels=forms[arguments.label_maps],
    )
    del segmenter
    with _stderr_of_ours() as stderr:
        progress = ShareProgress(stderr, quiet=arguments.quiet or arguments.as_json)
        try:
            count = segment_in_bulk(
                source, arguments.output, options, vocabulary, resources, partial(_report, progress)
            )
        finally:
            progress.end()
    if arguments.as_json:
        print_json(asdict(count))
    elif not arguments.quiet:
        before = f"; {count.before} had a row before" if count.before else ""
        rate = count.images / max(count.seconds, 1e-9)
        what = f"{count.images} images in {count.seconds:.1f} s, {rate:.1f} a second{before}"
        say(f"{what}. Rows: {arguments.output}")
    if count.failed:
        note(f"groupvit: {count.failed} of {count.images} images failed; their rows have an error")
        return _FAILED
    return 0


@contextmanager
def _stderr_of_ours() -> Iterator[TextIO]:
    """Standard error for us alone: lines of Ray's own, there or on standard output, are no news.

    What fails is raised.
    """
    with (
        os.fdopen(os.dup(1), "w", encoding="utf-8") as output,
        os.fdopen(os.dup(2), "w", encoding="utf-8") as errors,
        tempfile.TemporaryFile() as theirs,
    ):
        os.dup2(theirs.fileno(), 1)
        os.dup2(theirs.fileno(), 2)
        try:
            yield errors
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os.dup2(output.fileno(), 1)
            os.dup2(errors.fileno(), 2)


def _report(progress: ShareProgress, count: Count) -> None:
    failed = f", {count.failed} failed" if count.failed else ""
    rate = f"{count.images} images, {count.images / max(count.seconds, 1e-9):.1f} a second{failed}"
    if count.left:
        progress(rate, count.images / count.left, count.seconds)
    else:
        progress.waits(rate, count.seconds)


def _source(arguments: Arguments) -> Source:
    from groupvit_export.bulk.sources import guess_kind

    kind = arguments.kind or guess_kind(arguments.images)
    known = {name: name for name in SOURCES}
    if kind not in known:
        raise UsageError("unknown kind of input", got=f"--input-format {kind}", expected=" or ".join(SOURCES))
    return Source(arguments.images, known[kind], arguments.path_column, arguments.image_column or None)


def _resources(arguments: Arguments) -> Resources:
    numbers = {"--actors": arguments.actors, "--cpus": arguments.cpus, "--batch-size": arguments.batch_size}
    for flag, value in numbers.items():
        if value is not None and value < 1:
            raise UsageError(f"{flag} must be positive", got=value, expected="1 or more")
    if arguments.gpus < 0:
        raise UsageError("--gpus must not be negative", got=arguments.gpus)
    return Resources(
        actors=arguments.actors,
        cpus=arguments.cpus,
        gpus=arguments.gpus,
        address=arguments.address,
        rows=arguments.batch_size,
    )
