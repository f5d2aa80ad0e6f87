"""What every verb prints the same way."""

from __future__ import annotations

import json
import sys
from typing import Any, Final

from groupvit_export.errors import GroupViTError

STANDARD_OUTPUT: Final = "standard output"


def fail(error: GroupViTError, *, as_json: bool) -> int:
    """Print an error and return its exit code; JSON goes to standard output, as results do."""
    if as_json:
        print_json(error_record(error))
    print(f"groupvit: error: {error}", file=sys.stderr)
    return error.exit_code


def error_record(error: GroupViTError) -> dict[str, str | None]:
    """An error for machines: its class, and the parts of its message."""
    return {
        "error": type(error).__name__,
        "what": error.what,
        "got": _text(error.got),
        "expected": _text(error.expected),
        "fix": error.fix,
    }


def print_json(value: Any) -> None:
    """One JSON value on a line of its own, in ASCII: whoever reads it need not know an encoding."""
    say(json.dumps(value))


def say(text: str) -> None:
    """Print on standard output.

    Raises:
        OSError: it cannot be written; it has `STANDARD_OUTPUT` for a file name.
    """
    try:
        print(text, flush=True)
    except OSError as error:
        raise OSError(error.errno, error.strerror, STANDARD_OUTPUT) from error


def note(line: str) -> None:
    """A line about progress: standard error, so that results can be piped."""
    print(line, file=sys.stderr, flush=True)


def _text(value: object) -> str | None:
    return None if value is None else str(value)
