"""Standard output and standard error, whatever they are connected to."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

_EXIT_ERROR = 1


def prepare_streams() -> None:
    """Make both take every text: what they cannot encode is escaped, and where one is closed it goes nowhere.

    A name that the terminal cannot show must not end a run.
    """
    if sys.stdout is None:
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - until the process ends
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def with_written_output(run: Callable[[], int]) -> int:
    """The exit code of `run`; 1 where its output could not be written, on a full disk for instance."""
    try:
        code = run()
        sys.stdout.flush()
    except OSError as error:
        _discard_output()
        if error.errno != errno.EPIPE:
            # Where standard error is full as well nobody can be told.
            with contextlib.suppress(OSError):
                print(
                    "groupvit: error: the output cannot be written\n"
                    f"  got: standard output: {error.strerror}\n  fix: give it a place with space left",
                    file=sys.stderr,
                )
        return _EXIT_ERROR
    return code


def _discard_output() -> None:
    """So that Python does not try again when it ends (its documentation, "Note on SIGPIPE")."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
