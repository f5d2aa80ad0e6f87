"""Options of `--precision int8`."""

from __future__ import annotations

import argparse
from pathlib import Path

from groupvit_export.errors import UsageError
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.quantization.options import QuantizationOptions


def add_quantization_options(parser: argparse.ArgumentParser) -> None:
    """Add the options to `groupvit export`."""
    parser.add_argument(
        "--calibration",
        type=Path,
        metavar="DIR",
        help="with --precision int8: images of what the model will see, or a folder with images/, masks/ "
        "and classes.txt; without it the drawn scenes of the package are taken",
    )
    parser.add_argument(
        "--max-miou-drop",
        type=float,
        metavar="POINTS",
        help="with --precision int8: points of mean IoU that may be lost against fp32; default 1.0",
    )
    parser.add_argument(
        "--min-agreement",
        type=float,
        metavar="PERCENT",
        help="with --precision int8: percent of the pixels that must have fp32's class; default 99",
    )


def read_quantization_options(arguments: argparse.Namespace) -> QuantizationOptions:
    """Read them.

    Raises:
        UsageError: they are given for another precision, or out of range.
    """
    given = {
        "--calibration": arguments.calibration,
        "--max-miou-drop": arguments.max_miou_drop,
        "--min-agreement": arguments.min_agreement,
    }
    flags = [flag for flag, value in given.items() if value is not None]
    if flags and arguments.precision != "int8":
        raise UsageError(
            f"the precision {arguments.precision} has no such option",
            got=", ".join(flags),
            expected="these with --precision int8 only",
            fix="--precision int8, or leave them away",
        )
    usual = LabelBudget()
    drop, agreement = arguments.max_miou_drop, arguments.min_agreement
    return QuantizationOptions(
        calibration=arguments.calibration,
        budget=LabelBudget(
            max_miou_drop=usual.max_miou_drop if drop is None else drop,
            min_agreement=usual.min_agreement if agreement is None else agreement,
        ),
    )
