"""What to export."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from groupvit_export.build.options import BuildOptions
from groupvit_export.data.bundled import DEMO_NAME
from groupvit_export.pipeline.candidates import AUTO, PrecisionRequest

_FROM_PYTHON: Final = "groupvit_export.export"


@dataclass(frozen=True)
class ExportOptions(BuildOptions):
    """What to build, and where the bundle goes.

    Attributes:
        output: the bundle's folder; None to name it after checkpoint, target and the precision that was asked
            for.
        force: replace an existing bundle.
        allow_failed_parity: write the bundle even where an engine is not the model; the manifest says so
            and the runtime warns.
        command: recorded in the provenance.
        precision: one of the target's, or "auto" for the fastest that the processor computes natively and
            that passes; see `groupvit_export.pipeline.candidates`.
        also: precisions of further image engines, of which one is float32 where there are several.
        processor: that "auto" chooses for, a key of `groupvit_export.pipeline.candidates.PROCESSORS`; None
            for the one at hand.
    """

    precision: str = AUTO
    output: Path | None = None
    force: bool = False
    allow_failed_parity: bool = False
    command: str = _FROM_PYTHON
    also: tuple[str, ...] = ()
    processor: str | None = None


def precision_request(options: ExportOptions) -> PrecisionRequest:
    """What of the options decides which precisions are built."""
    return PrecisionRequest(
        options.target, options.precision, options.also, options.processor, options.decode_in_graph
    )


def bundle_path(options: ExportOptions) -> Path:
    """Where the bundle goes."""
    if options.output is not None:
        return options.output
    name = _checkpoint_name(options.checkpoint)
    asked = dict.fromkeys((options.precision, *options.also))
    return Path("-".join((name, options.target, *(precision for precision in asked if precision != AUTO))))


def _checkpoint_name(checkpoint: str | None) -> str:
    if checkpoint is None:
        return DEMO_NAME
    # A folder given as "." or "models/" still has a name.
    path = Path(checkpoint)
    name = path.resolve().name if path.exists() else path.name
    stem = name[: -len(".pth")] if name.endswith(".pth") else name
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem).strip("-.") or "checkpoint"
