"""Google's tools in processes of their own: they print, log from C++, and set things for all of a process."""

from __future__ import annotations

import subprocess
from pathlib import Path

from groupvit_export.children import child_command, lifeline
from groupvit_export.errors import ExportError
from groupvit_runtime.engines.failure import one_line
from groupvit_runtime.system_errors import DISK_ERRORS, lost_system_error


def run_child(module: str, folder: Path, what: str) -> None:
    """Run a module as a program on a folder, and wait for it.

    Args:
        module: which takes the folder as its argument.
        folder: what it reads and writes.
        what: failed where it fails, for the message.

    Raises:
        ExportError: it failed.
        OSError: the system refused it files or space.
    """
    with lifeline() as standard_input:
        done = subprocess.run(
            child_command(module, str(folder)),
            stdin=standard_input,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="backslashreplace",
        )
    if done.returncode == 0:
        return
    lines = done.stderr.strip().splitlines()
    refused = lost_system_error(lines[-1] if lines else "", folder)
    if refused is not None and refused.errno in DISK_ERRORS:
        raise refused
    raise ExportError(
        what,
        got=one_line(lines[-1]) if lines else f"exit code {done.returncode}",
        fix="install the versions of constraints-litert.txt: make litert",
    )
