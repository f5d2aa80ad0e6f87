"""What every verb prints the same way."""

from __future__ import annotations

import json
import sys
from typing import Any

from groupvit_export.errors import GroupViTError


def fail(error: GroupViTError, *, as_json: bool) -> int:
    """Print an error and return its exit code; JSON goes to standard output, as results do."""
    if as_json:
        print_json(
            {
                "error": type(error).__name__,
                "what": error.what,
                "got": _text(error.got),
                "expected": _text(error.expected),
                "fix": error.fix,
            }
        )
    print(f"groupvit: error: {error}", file=sys.stderr)
    return error.exit_code


def print_json(value: Any) -> None:
    """One JSON value on a line of its own; what the terminal cannot encode is escaped, as JSON does it."""
    line = json.dumps(value, ensure_ascii=False)
    try:
        line.encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        line = json.dumps(value)
    print(line, flush=True)


def note(line: str) -> None:
    """A line about progress: standard error, so that results can be piped."""
    print(line, file=sys.stderr, flush=True)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
