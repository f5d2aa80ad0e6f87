"""`groupvit verify`."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Option

from groupvit_export.cli.matrix import matrix, verdict_lines
from groupvit_export.cli.options import (
    Bundle,
    Device,
    Json,
    LabelNames,
    LabelsFile,
    Quiet,
    Threads,
    VerbArguments,
    check_exclusive,
    read_labels,
)
from groupvit_export.cli.origin import origin
from groupvit_export.cli.output import print_json, say
from groupvit_export.cli.packages import require_packages
from groupvit_export.cli.step_progress import StepProgress
from groupvit_export.cli.tables import show
from groupvit_export.errors import UsageError
from groupvit_export.html.page import check_installed
from groupvit_export.targets.registry import target_name
from groupvit_export.targets.requirements import VERIFY_PACKAGES
from groupvit_runtime.files import check_writable, write_atomically
from groupvit_runtime.serialize import to_json


@dataclass(frozen=True, kw_only=True)
class Arguments(VerbArguments):
    """Options of `groupvit verify`."""

    bundle: Bundle
    images: Annotated[
        Path | None,
        Option(
            "--images",
            metavar="DIR",
            help="a folder of images, or of images/, masks/ and classes.txt; "
            "default: the scenes of the package",
        ),
    ] = None
    limit: Annotated[
        int,
        Option(
            "--limit",
            metavar="N",
            help="at most N images, of the folder or of the package, spread evenly (100)",
            show_default=False,
        ),
    ] = 100
    against: Annotated[
        str | None,
        Option(
            "--against",
            metavar="CHECKPOINT",
            help="folder, hub id or .pth; default: what the provenance names",
        ),
    ] = None
    config: Annotated[
        Path | None,
        Option("--config", metavar="FILE", help="config.json to use instead of the checkpoint's"),
    ] = None
    targets: Annotated[
        str | None,
        Option(
            "--targets",
            metavar="T,...",
            help="further targets to build from the checkpoint and put beside the bundle",
        ),
    ] = None
    calibration: Annotated[
        Path | None,
        Option(
            "--calibration",
            metavar="DIR",
            help="with --targets and an int8 bundle: where the images lie now that it was calibrated on",
        ),
    ] = None
    labels: LabelNames = None
    labels_file: LabelsFile = None
    bisect: Annotated[
        bool, Option("--bisect", help="where it fails, find the first graph node that does")
    ] = False
    html: Annotated[
        Path | None, Option("--html", metavar="FILE", help="write a report with images, one file")
    ] = None
    device: Device = None
    threads: Threads = None
    as_json: Json = False
    quiet: Quiet = False


def run(arguments: Arguments) -> int:
    check_exclusive({"--labels": arguments.labels, "--labels-file": arguments.labels_file})
    targets = tuple(
        target_name(part.strip()) for part in (arguments.targets or "").split(",") if part.strip()
    )
    if arguments.limit < 1:
        raise UsageError("the number of images must be positive", got=arguments.limit, expected="1 or more")
    labels = read_labels(arguments)
    if arguments.html is not None and not arguments.html.parent.is_dir():
        raise UsageError(
            "the report has nowhere to go",
            got=str(arguments.html),
            expected=f"the folder {arguments.html.parent}",
        )
    require_packages(VERIFY_PACKAGES, "verifying")
    if arguments.html is not None:
        check_installed()
        check_writable(arguments.html)

    from groupvit_export.verification.api import VerifyOptions, verify_bundle
    from groupvit_export.verification.html import html_report
    from groupvit_export.verification.report import EXIT_CODES
    from groupvit_export.verification.words import finding_words, report_json
    from groupvit_runtime.prompts import check_labels

    options = VerifyOptions(
        images=arguments.images,
        against=arguments.against,
        config=arguments.config,
        targets=targets,
        labels=None if labels is None else check_labels(labels),
        limit=arguments.limit,
        threads=arguments.threads,
        device=arguments.device,
        calibration=arguments.calibration,
    )
    with StepProgress(sys.stderr, quiet=arguments.quiet or arguments.as_json) as bar:
        found = verify_bundle(
            arguments.bundle, options, find_divergence=arguments.bisect, progress=bar.note, report=bar
        )
    report = found.report
    if arguments.as_json:
        print_json(
            {
                "verdict": report.verdict,
                "findings": [finding_words(finding) for finding in report.findings],
                "divergences": {name: to_json(divergence) for name, divergence in found.divergences.items()},
                "report": report_json(report),
            }
        )
    elif report.verdict != "PASS" or not arguments.quiet:
        show([matrix(report), "", "\n".join(verdict_lines(found))])
    # Last, for what was found is dearer than a file that cannot be written.
    if arguments.html is not None:
        page = html_report(report, found.shown, found.divergences, origin(arguments.command))
        write_atomically(arguments.html, page.encode())
        if not (arguments.as_json or arguments.quiet):
            say(f"report with images: {arguments.html}")
    return EXIT_CODES[report.verdict]
