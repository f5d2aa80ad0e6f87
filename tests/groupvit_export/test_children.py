"""A child ends with the process that started it, and so do programs that a child starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

# `timeit` computes for minutes.
PARENT = """
import subprocess, sys
from groupvit_export.children import child_command, lifeline
with lifeline() as stdin:
    child = subprocess.Popen(child_command("timeit", "-n", "1", "while True: pass"), stdin=stdin)
    print(child.pid, flush=True)
    child.wait()
"""


# As a compiler does: a program that starts another and waits for it. A shell's background ignores interrupts.
COMPILES = """
import signal, subprocess
signal.signal(signal.SIGINT, signal.default_int_handler)
from groupvit_export.descendants import ending_with_us
with ending_with_us():
    subprocess.run(["sh", "-c", "sh -c 'echo $$; exec sleep 600'; true"])
"""


@pytest.mark.skipif(os.name == "nt", reason="kills as POSIX does")
def test_a_child_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.send_signal(signal.SIGKILL)
    _assert_ends(child)


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes as Linux tells of them")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, None])
def test_programs_that_a_child_started_end_too(end: signal.Signals | None) -> None:
    code = COMPILES.replace("subprocess.run", "subprocess.Popen") if end is None else COMPILES
    with subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as parent:
        assert parent.stdout is not None
        grandchild = int(parent.stdout.readline())
        if end is not None:
            assert _runs(grandchild)
            parent.send_signal(end)
    _assert_ends(grandchild)


def _assert_ends(pid: int) -> None:
    for _ in range(3000):
        if not _runs(pid):
            return
        time.sleep(0.01)
    os.kill(pid, signal.SIGKILL)
    pytest.fail("it outlived its parent")


def _runs(pid: int) -> bool:
    """Not as a zombie, either, which waits for a parent that does not ask."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:1] not in ("", "Z")
