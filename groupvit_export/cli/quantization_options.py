"""Options of `--precision int8`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

from typer import Option

from groupvit_export.data.images import IMAGES
from groupvit_export.errors import UsageError
from groupvit_export.metrics.budget import LabelBudget
from groupvit_export.quantization.options import QuantizationOptions

_PANEL: Final = "Quantization (--precision int8 only)"


def _flag(name: str, metavar: str, help: str) -> Any:
    return Option(name, help=help, metavar=metavar, rich_help_panel=_PANEL)


@dataclass(frozen=True, kw_only=True)
class QuantizationFlags:
    """The flags as they were typed; None where one was not given."""

    calibration: Annotated[
        Path | None,
        _flag(
            "--calibration",
            "DIR",
            "images of what the model will see, or a folder with images/, masks/ and classes.txt; without it "
            "the drawn scenes of the package are taken",
        ),
    ] = None
    limit: Annotated[
        int | None,
        _flag("--limit", "N", "at most N images, spread evenly: half for ranges, half to judge; default 256"),
    ] = None
    max_miou_drop: Annotated[
        float | None,
        _flag("--max-miou-drop", "POINTS", "points of mean IoU that may be lost against fp32; default 1.0"),
    ] = None
    min_agreement: Annotated[
        float | None,
        _flag("--min-agreement", "PERCENT", "percent of the pixels that must have fp32's class; default 99"),
    ] = None
    allow_saturation: Annotated[
        bool | None,
        Option(
            "--allow-saturation",
            help="weights of 8 bits, and products of two activations in int8: faster and more exact, but for "
            "processors with VNNI or AMX only",
            rich_help_panel=_PANEL,
        ),
    ] = None


def read_quantization_options(arguments: QuantizationFlags, precisions: Sequence[str]) -> QuantizationOptions:
    """Read them.

    Args:
        arguments: as they were typed.
        precisions: that are built.

    Raises:
        UsageError: they are given for another precision, or out of range.
    """
    given = {
        "--calibration": arguments.calibration,
        "--limit": arguments.limit,
        "--max-miou-drop": arguments.max_miou_drop,
        "--min-agreement": arguments.min_agreement,
        "--allow-saturation": arguments.allow_saturation,
    }
    flags = [flag for flag, value in given.items() if value is not None]
    if flags and "int8" not in precisions:
        raise UsageError(
            f"the precision {' or '.join(precisions)} has no such option",
            got=", ".join(flags),
            expected="these with --precision int8 only",
            fix="--precision int8, or leave them away",
        )
    if arguments.limit is not None and arguments.limit < 2:
        raise UsageError(
            "int8 needs images for its ranges and others to judge them on",
            got=f"--limit {arguments.limit}",
            expected="2 or more",
        )
    usual = LabelBudget()
    drop, agreement = arguments.max_miou_drop, arguments.min_agreement
    return QuantizationOptions(
        calibration=arguments.calibration,
        budget=LabelBudget(
            max_miou_drop=usual.max_miou_drop if drop is None else drop,
            min_agreement=usual.min_agreement if agreement is None else agreement,
        ),
        limit=arguments.limit or IMAGES,
        saturation_safe=not arguments.allow_saturation,
    )
