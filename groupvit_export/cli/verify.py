"""`groupvit verify`."""

from __future__ import annotations

import argparse
from pathlib import Path

from groupvit_export.cli.arguments import add_engine_options, add_labels, read_labels
from groupvit_export.cli.matrix import matrix, verdict_lines
from groupvit_export.cli.output import note, print_json
from groupvit_export.cli.packages import require_packages
from groupvit_export.errors import UsageError
from groupvit_export.targets.requirements import VERIFY_PACKAGES
from groupvit_runtime.files import write_atomically
from groupvit_runtime.serialize import to_json


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE")
    parser.add_argument(
        "--images",
        type=Path,
        metavar="DIR",
        help="a folder of images, or of images/, masks/ and classes.txt; default: the scenes of the package",
    )
    parser.add_argument(
        "--limit",
        type=int,
        default=100,
        metavar="N",
        help="at most N images of the folder, spread evenly (100)",
    )
    parser.add_argument(
        "--against", metavar="CHECKPOINT", help="folder, hub id or .pth; default: what the manifest names"
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="config.json to use instead of the checkpoint's"
    )
    parser.add_argument(
        "--targets",
        metavar="T,...",
        help="further targets to build from the checkpoint and put beside the bundle",
    )
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="DIR",
        help="with --targets and an int8 bundle: where the images lie now that it was calibrated on",
    )
    add_labels(parser, required=False)
    parser.add_argument(
        "--bisect", action="store_true", help="where it fails, find the first graph node that does"
    )
    parser.add_argument("--html", type=Path, metavar="FILE", help="write a report with images, one file")
    add_engine_options(parser)
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--quiet", action="store_true", help="no progress")


def run(arguments: argparse.Namespace) -> int:
    targets = tuple(part.strip() for part in (arguments.targets or "").split(",") if part.strip())
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

    from groupvit_export.verification.api import VerifyOptions, verify_bundle
    from groupvit_export.verification.html import html_report
    from groupvit_export.verification.report import EXIT_CODES
    from groupvit_runtime.prompts import check_labels

    found = verify_bundle(
        arguments.bundle,
        VerifyOptions(
            images=arguments.images,
            against=arguments.against,
            config=arguments.config,
            targets=targets,
            labels=None if labels is None else check_labels(labels),
            limit=arguments.limit,
            threads=arguments.threads,
            device=arguments.device,
            calibration=arguments.calibration,
        ),
        find_divergence=arguments.bisect,
        progress=_silent if arguments.quiet or arguments.json else note,
    )
    report = found.report
    if arguments.html is not None:
        write_atomically(arguments.html, html_report(report, found.shown, found.divergences).encode())
    if arguments.json:
        print_json(
            {
                "verdict": report.verdict,
                "findings": [str(finding) for finding in report.findings],
                "divergences": {name: to_json(divergence) for name, divergence in found.divergences.items()},
                "report": to_json(report),
            }
        )
    else:
        print(matrix(report))
        print()
        print("\n".join(verdict_lines(found)))
        if arguments.html is not None:
            print(f"report with images: {arguments.html}")
    return EXIT_CODES[report.verdict]


def _silent(line: str) -> None:
    del line
