"""Programs that end with the process that started them, and so does what they start in turn.

Compilers know nothing of us, and start further programs that no signal to their parent reaches. A process
beside this one waits for its end, then ends whoever has a mark in the environment that was given to them.

Run as `python -m groupvit_export.descendants MARK`, this is that process. Its standard input is a pipe that
nobody writes to, which the system closes when the one beside it has ended, however that comes about.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

_NAME: Final = "GROUPVIT_STARTED_BY"
_PAUSE_SECONDS: Final = 0.05
_QUIET_LOOKS: Final = 2


@contextmanager
def ending_with_us() -> Iterator[None]:
    """What is started in the block ends with the block at the latest, or with this process.

    On Linux; elsewhere it ends when it is done.

    Raises:
        OSError: the process beside this one cannot be started.
    """
    if sys.platform != "linux":
        yield
        return
    mark = secrets.token_hex(16)
    # In a session of its own: what interrupts us from the terminal is not for it.
    with subprocess.Popen(
        [sys.executable, "-m", __name__, mark],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ):
        os.environ[_NAME] = mark
        try:
            yield
        finally:
            del os.environ[_NAME]


def _end_marked(mark: str) -> bool:
    """Whether there was any."""
    wanted, found = f"{_NAME}={mark}".encode(), False
    for folder in Path("/proc").glob("[0-9]*"):
        # Others' processes, and those that end meanwhile.
        with suppress(OSError):
            descriptor = os.pidfd_open(int(folder.name))
            try:
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                    found = True
            finally:
                os.close(descriptor)
    return found


def _wait_and_end(mark: str) -> None:
    os.read(0, 1)
    quiet = 0
    # What was just being started at one look is found at the next.
    while quiet < _QUIET_LOOKS:
        quiet = 0 if _end_marked(mark) else quiet + 1
        time.sleep(_PAUSE_SECONDS)


if __name__ == "__main__":
    _wait_and_end(sys.argv[1])
