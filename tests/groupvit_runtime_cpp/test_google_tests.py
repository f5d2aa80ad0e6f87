"""The tests that are written in C++."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path


def test_google_tests(cpp_build: Callable[[str], Path]) -> None:
    program = cpp_build("groupvit_tests") / "groupvit_tests"
    done = subprocess.run([program], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "PASSED" in done.stdout
