"""The command line that makes the same bundle again, generated from the options' fields."""

from __future__ import annotations

from typing import Final

from groupvit_export.build.command import ROWS as BUILD_ROWS
from groupvit_export.build.command import Row, build_command
from groupvit_export.pipeline.options import ExportOptions

ROWS: Final = (
    *BUILD_ROWS,
    Row("also", "--also", lambda also: (",".join(also),)),
    Row("processor", "--for", lambda processor: (processor,)),
    Row("allow_failed_parity", "--allow-failed-parity", None),
)
"""Every field is here or in `NOT_SAID`, but for `target_options`."""

NOT_SAID: Final = ("output", "force", "command")
"""Fields that change nothing in what is made but where it lies."""


def rebuild_command(options: ExportOptions) -> str:
    """The command line that makes the same bundle, for a POSIX shell; what is at its default is left out."""
    return build_command(options, ROWS)
