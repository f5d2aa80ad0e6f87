"""Commands without a network, and the files they leave in a home that was empty."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import no_sockets
import pytest


@dataclass(frozen=True)
class Observed:
    """How a command ended.

    Attributes:
        status: exit status.
        stdout: printed.
        stderr: printed.
        sockets: families of the sockets that it or a child tried to open, in order.
        written: what it left in its home, its folder of temporary files, and where it was started.
    """

    status: int
    stdout: str
    stderr: str
    sockets: tuple[str, ...]
    written: tuple[str, ...]


def observe(folder: Path, *command: str | Path) -> Observed:
    """Run a command with a home, a folder of temporary files and a working directory that are empty.

    The environment has little else: no CI, in which packages are quieter, and no switch of telemetry.

    Args:
        folder: where the three are made; must not exist.
        command: the program and its arguments.
    """
    folder.mkdir()
    places = {name: folder / name for name in ("home", "tmp", "cwd")}
    for place in places.values():
        place.mkdir()
    log = folder / "sockets"
    environment = {
        "PATH": os.defpath,
        # Otherwise PyTorch asks for it, maybe by a socket to a daemon of the system.
        "USER": "user",
        "HOME": str(places["home"]),
        "TMPDIR": str(places["tmp"]),
        "PYTHONPATH": os.pathsep.join(sys.path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [sys.executable, no_sockets.__file__, log, *command],
        capture_output=True,
        text=True,
        env=environment,
        cwd=places["cwd"],
    )
    if done.returncode == no_sockets.REFUSED:
        pytest.skip(f"system calls cannot be observed here: {done.stderr.strip()}")
    written = [
        path.relative_to(folder).as_posix() for place in places.values() for path in sorted(place.rglob("*"))
    ]
    return Observed(done.returncode, done.stdout, done.stderr, tuple(log.read_text().split()), tuple(written))
