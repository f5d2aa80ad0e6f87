"""A child ends with the process that started it."""

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


@pytest.mark.skipif(os.name == "nt", reason="kills as POSIX does")
def test_a_child_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(child, 0)
        parent.send_signal(signal.SIGKILL)
    for _ in range(3000):
        if not _runs(child):
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    pytest.fail("the child outlived its parent")


def _runs(pid: int) -> bool:
    """Not as a zombie, either, which waits for a parent that does not ask."""
    done = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return done.stdout.strip()[:1] not in ("", "Z")
