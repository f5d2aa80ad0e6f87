"""`groupvit eval`."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

from typer import Option

from groupvit_export.cli.eval_report import report_blocks
from groupvit_export.cli.options import (
    Bundle,
    Device,
    EnginePrecision,
    Quiet,
    Templates,
    Threads,
    VerbArguments,
)
from groupvit_export.cli.origin import origin
from groupvit_export.cli.output import note, print_json, say
from groupvit_export.cli.progress import EvalProgress
from groupvit_export.cli.tables import show
from groupvit_export.data.datasets import DATASETS
from groupvit_export.errors import UsageError
from groupvit_export.evaluate.options import EvalOptions
from groupvit_export.html.page import check_installed
from groupvit_runtime.files import check_writable, write_atomically

_EXIT_FAILED_IMAGES = 1
_EXIT_INTERRUPTED = 130


EPILOG = "\b\nData sets:\n" + "\n".join(
    f"  {name.ljust(max(map(len, DATASETS)))}  {spec.summary}" for name, spec in DATASETS.items()
)
_DATA = "Data set"
_HOW = "Segmentation"


@dataclass(frozen=True, kw_only=True)
class Arguments(VerbArguments):
    """Options of `groupvit eval`."""

    bundle: Bundle
    dataset: Annotated[
        str, Option("--dataset", metavar="NAME", help=", ".join(DATASETS), rich_help_panel=_DATA)
    ]
    root: Annotated[
        Path, Option("--root", metavar="DIR", help="the data set's folder", rich_help_panel=_DATA)
    ]
    split: Annotated[
        str | None,
        Option(
            "--split", metavar="S", help="another than the one usually evaluated on", rich_help_panel=_DATA
        ),
    ] = None
    vocabulary: Annotated[
        str | None,
        Option("--vocabulary", metavar="V", help="shapes: which of its vocabularies", rich_help_panel=_DATA),
    ] = None
    classes: Annotated[
        Path | None,
        Option("--classes", metavar="FILE", help="folder: a class name a line", rich_help_panel=_DATA),
    ] = None
    ignore_index: Annotated[
        list[str] | None,
        Option(
            "--ignore-index",
            metavar="N,...",
            help="folder: mask values that count nowhere (255)",
            rich_help_panel=_DATA,
        ),
    ] = None
    reduce_zero_label: Annotated[
        bool,
        Option(
            "--reduce-zero-label",
            help="folder: 0 is void in the masks, and the first class is 1",
            rich_help_panel=_DATA,
        ),
    ] = False
    raw_masks: Annotated[
        bool,
        Option(
            "--raw-masks",
            help="masks lie as the image files store their pixels: turn them by EXIF orientation, too",
            rich_help_panel=_DATA,
        ),
    ] = False
    limit: Annotated[
        int | None,
        Option(
            "--limit",
            metavar="N",
            help="only N of the images, spread evenly; a larger N takes the same ones and more",
            rich_help_panel=_DATA,
        ),
    ] = None
    decode: Annotated[
        str | None,
        Option("--decode", metavar="D", help="hf or paper; default: the bundle's", rich_help_panel=_HOW),
    ] = None
    background_threshold: Annotated[
        float | None,
        Option(
            "--background-threshold",
            metavar="T",
            help="paper decode: below it a pixel is background; default: the data set's",
            rich_help_panel=_HOW,
        ),
    ] = None
    templates: Templates = None
    device: Device = None
    precision: EnginePrecision = None
    threads: Threads = None
    workers: Annotated[
        int,
        Option(
            "--workers",
            metavar="N",
            help="images at once (default: 1); for ONNX Runtime on a CPU, --threads 1 and a worker a core",
            show_default=False,
        ),
    ] = 1
    output: Annotated[
        Path, Option("-o", "--output", metavar="DIR", help="default: evaluated", show_default=False)
    ] = Path("evaluated")
    worst: Annotated[
        int,
        Option(
            "--worst",
            metavar="N",
            help="draw the N worst images (default: 8, 0 for none)",
            show_default=False,
        ),
    ] = 8
    html: Annotated[
        Path | None,
        Option("--html", metavar="FILE", help="write a page with the worst images, one file"),
    ] = None
    strict: Annotated[bool, Option("--strict", help="stop at the first image that fails")] = False
    force: Annotated[bool, Option("--force", help="discard an evaluation in the output folder")] = False
    as_json: Annotated[bool, Option("--json", help="print the report as one line of JSON")] = False
    quiet: Quiet = False


def run(arguments: Arguments) -> int:
    _check(arguments)
    # Imported here, so that a mistyped number is told at once.
    from groupvit_export.evaluate.html import html_report
    from groupvit_export.evaluate.options import Request
    from groupvit_export.evaluate.report import REPORT_NAME
    from groupvit_export.evaluate.runner import RunOptions
    from groupvit_export.evaluate.session import open_session, run_session
    from groupvit_runtime.serialize import to_json

    request = Request(_options(arguments), arguments.command, str(Path.cwd()))
    session = open_session(request.options)
    how = RunOptions(
        workers=arguments.workers,
        threads=arguments.threads,
        limit=arguments.limit,
        worst=arguments.worst,
        strict=arguments.strict,
    )
    progress = EvalProgress(sys.stderr, quiet=arguments.quiet)
    page = partial(html_report, output=arguments.output, origin=origin(arguments.command))
    try:
        report, html = run_session(
            session,
            request,
            arguments.output,
            how,
            progress,
            note,
            force=arguments.force,
            page=None if arguments.html is None else page,
        )
    except KeyboardInterrupt:
        note("groupvit: interrupted; the same command goes on from here")
        return _EXIT_INTERRUPTED
    if not arguments.quiet:
        for line in report.notes:
            note(f"groupvit: warning: {line}")
    if arguments.as_json:
        print_json(to_json(report))
    elif not arguments.quiet:
        show([*report_blocks(report), ""])
        say(str(arguments.output / REPORT_NAME))
    if arguments.html is not None and html is not None:
        write_atomically(arguments.html, html.encode())
        if not (arguments.as_json or arguments.quiet):
            say(str(arguments.html))
    return _EXIT_FAILED_IMAGES if report.failed else 0


def _options(arguments: Arguments) -> EvalOptions:
    return EvalOptions(
        bundle=str(Path(arguments.bundle).absolute()),
        dataset=arguments.dataset,
        root=str(arguments.root.absolute()),
        split=arguments.split,
        vocabulary=arguments.vocabulary,
        classes=None if arguments.classes is None else str(arguments.classes.absolute()),
        ignore_index=_numbers("--ignore-index", arguments.ignore_index),
        reduce_zero_label=arguments.reduce_zero_label,
        raw_masks=arguments.raw_masks,
        limit=arguments.limit,
        decode=arguments.decode,
        background_threshold=arguments.background_threshold,
        templates=None if arguments.templates is None else tuple(arguments.templates),
        device=arguments.device,
        precision=arguments.precision,
        threads=arguments.threads,
        workers=arguments.workers,
    )


def _numbers(option: str, texts: list[str] | None) -> tuple[int, ...] | None:
    """The numbers of an option that is repeated, or has them separated by commas."""
    if texts is None:
        return None
    parts = [part.strip() for text in texts for part in text.split(",")]
    if not all(re.fullmatch(r"-?\d{1,9}", part, re.ASCII) for part in parts):
        raise UsageError(
            f"{option} is no number, nor several",
            got=" ".join(texts),
            expected="mask values, separated by commas",
            fix=f"{option} 254,255",
        )
    return tuple(dict.fromkeys(map(int, parts)))


def _check(arguments: Arguments) -> None:
    """Refuse numbers that cannot mean anything, before anything is loaded."""
    for option, value, least in (
        ("--limit", arguments.limit, 1),
        ("--workers", arguments.workers, 1),
        ("--threads", arguments.threads, 1),
        ("--worst", arguments.worst, 0),
    ):
        if value is not None and value < least:
            raise UsageError(f"{option} is out of range", got=value, expected=f"{least} or more")
    threshold = arguments.background_threshold
    if threshold is not None and not 0 <= threshold <= 1:
        raise UsageError("a background threshold is a probability", got=threshold, expected="0 to 1")
    if arguments.html is not None:
        _check_page(arguments.html, arguments.output)


def _check_page(path: Path, output: Path) -> None:
    # The output folder is made.
    if not path.parent.is_dir() and path.parent.absolute() != output.absolute():
        raise UsageError(
            "the page has nowhere to go", got=f"--html {path}", expected=f"the folder {path.parent}"
        )
    check_installed()
    if path.parent.is_dir():
        check_writable(path)
