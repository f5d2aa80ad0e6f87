"""`groupvit eval`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from groupvit_export.cli.arguments import add_engine_options, add_templates, read_templates
from groupvit_export.cli.output import note, print_json
from groupvit_export.errors import UsageError

_EXIT_FAILED_IMAGES = 1
_EXIT_INTERRUPTED = 130


def configure(parser: argparse.ArgumentParser) -> None:
    from groupvit_export.data.datasets import DATASETS

    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = "data sets:\n" + "\n".join(
        f"  {name.ljust(max(map(len, DATASETS)))}  {spec.summary}" for name, spec in DATASETS.items()
    )
    parser.add_argument("bundle", metavar="BUNDLE")
    data = parser.add_argument_group("data set")
    data.add_argument("--dataset", required=True, metavar="NAME", help=", ".join(DATASETS))
    data.add_argument("--root", required=True, type=Path, metavar="DIR", help="the data set's folder")
    data.add_argument("--split", metavar="S", help="another than the one usually evaluated on")
    data.add_argument("--vocabulary", metavar="V", help="shapes: which of its vocabularies")
    data.add_argument("--classes", type=Path, metavar="FILE", help="folder: a class name a line")
    data.add_argument("--ignore-index", type=int, metavar="N", help="folder: mask value that counts nowhere")
    data.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help="only N of the images, spread evenly; a larger N takes the same ones and more",
    )
    how = parser.add_argument_group("segmentation")
    how.add_argument("--decode", metavar="D", help="hf or paper; default: the bundle's")
    how.add_argument(
        "--background-threshold",
        type=float,
        metavar="T",
        help="paper decode: below it a pixel is background; default: the data set's",
    )
    add_templates(parser)
    add_engine_options(parser)
    parser.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="images at once (default: 1); for ONNX Runtime on a CPU, --threads 1 and a worker a core",
    )
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("evaluated"), metavar="DIR", help="default: evaluated"
    )
    parser.add_argument(
        "--worst", type=int, default=8, metavar="N", help="draw the N worst images (default: 8, 0 for none)"
    )
    parser.add_argument("--strict", action="store_true", help="stop at the first image that fails")
    parser.add_argument("--force", action="store_true", help="discard an evaluation in the output folder")
    parser.add_argument("--json", action="store_true", help="print the report as one line of JSON")
    parser.add_argument("--quiet", action="store_true", help="say nothing of the progress")


def run(arguments: argparse.Namespace) -> int:
    _check(arguments)
    # Imported here, so that a mistyped number is told at once.
    from groupvit_export.data.datasets import DatasetOptions, load_dataset
    from groupvit_export.evaluate.identity import identify
    from groupvit_export.evaluate.journal import Journal
    from groupvit_export.evaluate.progress import Progress
    from groupvit_export.evaluate.report import make_report
    from groupvit_export.evaluate.report_text import report_text
    from groupvit_export.evaluate.runner import RunOptions, evaluate
    from groupvit_export.evaluate.setting import bind, check_threshold, choose_setting
    from groupvit_export.evaluate.worst import clear_worst, draw_worst
    from groupvit_runtime.manifest import check_decode
    from groupvit_runtime.segmenter import Segmenter
    from groupvit_runtime.serialize import to_json

    if arguments.decode is not None:
        check_threshold(arguments.background_threshold, check_decode(arguments.decode))
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
        arguments.bundle, device=arguments.device, threads=arguments.threads, decode=arguments.decode
    )
    decode = check_decode(arguments.decode or segmenter.manifest.decode.default)
    # Again, for the bundle's own decode is known only now.
    check_threshold(arguments.background_threshold, decode)
    setting = choose_setting(dataset, segmenter, decode, read_templates(arguments))
    segment = bind(segmenter, setting)
    identity = identify(dataset, setting, segmenter.manifest, segmenter.engine_description)
    options = RunOptions(
        workers=arguments.workers,
        threads=arguments.threads,
        limit=arguments.limit,
        worst=arguments.worst,
        strict=arguments.strict,
    )
    progress = Progress(sys.stderr, quiet=arguments.quiet)
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
    if arguments.json:
        print_json(to_json(report))
    else:
        print(f"{report_text(report)}\n\n{path}")
    return _EXIT_FAILED_IMAGES if report.failed else 0


def _check(arguments: argparse.Namespace) -> None:
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
