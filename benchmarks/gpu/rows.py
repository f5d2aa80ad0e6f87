"""What a step writes: a JSON object a line, on standard output."""

from __future__ import annotations

import json
import sys
from typing import Any

from benchmarks.gpu.steps import NOT_RUN


def write_row(**row: Any) -> None:
    """Write one, at once: it is kept even if the step is ended right after."""
    print(json.dumps(row), flush=True)


def not_run(reason: str) -> int:
    """The exit code of a step that cannot be run here, once it has said why."""
    write_row(summary=reason)
    return NOT_RUN


def note(line: str) -> None:
    """A line for the log."""
    print(line, file=sys.stderr, flush=True)
