"""`groupvit eval`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

from groupvit_export.cli.eval_report import report_blocks
from groupvit_export.cli.options import Bundle, Device, Templates, Threads, VerbArguments, read_templates
from groupvit_export.cli.output import note, print_json, say
from groupvit_export.cli.progress import EvalProgress
from groupvit_export.cli.tables import show
from groupvit_export.data.datasets import DATASETS, DatasetOptions, load_dataset
from groupvit_export.errors import UsageError

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
        int | None,
        Option(
            "--ignore-index",
            metavar="N",
            help="folder: mask value that counts nowhere",
            rich_help_panel=_DATA,
        ),
    ] = None
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
    strict: Annotated[bool, Option("--strict", help="stop at the first image that fails")] = False
    force: Annotated[bool, Option("--force", help="discard an evaluation in the output folder")] = False
    as_json: Annotated[bool, Option("--json", help="print the report as one line of JSON")] = False
    quiet: Annotated[bool, Option("--quiet", help="say nothing of the progress")] = False


def run(arguments: Arguments) -> int:
    _check(arguments)
    # Imported here, so that a mistyped number is told at once.
    from groupvit_export.evaluate.identity import identify
    from groupvit_export.evaluate.journal import Journal
    from groupvit_export.evaluate.report import make_report
    from groupvit_export.evaluate.runner import RunOptions, evaluate
    from groupvit_export.evaluate.setting import bind, check_threshold, choose_setting
    from groupvit_export.evaluate.worst import clear_worst, draw_worst
    from groupvit_runtime.manifest import check_decode
    from groupvit_runtime.segmenter import Segmenter
    from groupvit_runtime.serialize import to_json

    wanted = None if arguments.decode is None else check_decode(arguments.decode)
    if wanted is not None:
        check_threshold(arguments.background_threshold, wanted)
    dataset = load_dataset(
        arguments.dataset,
        arguments.root,
        DatasetOptions(
            vocabulary=arguments.vocabulary,
            classes=arguments.classes,
            ignore_index=arguments.ignore_index,
            background_threshold=arguments.background_threshold,
            split=arguments.split,
        ),
    )
    segmenter = Segmenter.load(
        arguments.bundle, device=arguments.device, threads=arguments.threads, decode=wanted
    )
    decode = check_decode(wanted or segmenter.manifest.decode.default)
    # Again, for the bundle's own decode is known only now.
    check_threshold(arguments.background_threshold, decode)
    setting = choose_setting(dataset, segmenter, decode, read_templates(arguments.templates))
    segment = bind(segmenter, setting)
    identity = identify(dataset, setting, segmenter.manifest, segmenter.engine_description)
    options = RunOptions(
        workers=arguments.workers,
        threads=arguments.threads,
        limit=arguments.limit,
        worst=arguments.worst,
        strict=arguments.strict,
    )
    progress = EvalProgress(sys.stderr, quiet=arguments.quiet)
    with Journal.open(arguments.output, identity, root=dataset.root, force=arguments.force) as journal:
        if arguments.force:
            clear_worst(arguments.output)
        try:
            tally = evaluate(dataset, segment, journal, progress, options)
            worst = draw_worst(dataset, segment, tally.worst, arguments.output, note)
        except KeyboardInterrupt:
            note("groupvit: interrupted; the same command goes on from here")
            return _EXIT_INTERRUPTED
        report = make_report(
            dataset,
            tally,
            worst,
            identity,
            segmenter.manifest,
            bundle=arguments.bundle,
            limit=arguments.limit,
        )
        path = report.write(arguments.output)
    if arguments.as_json:
        print_json(to_json(report))
    else:
        show([*report_blocks(report), ""])
        say(str(path))
    return _EXIT_FAILED_IMAGES if report.failed else 0


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
