"""Consoles that are not UTF-8: what is said is escaped, and the exit code is the same."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

CONSOLES = [
    {"PYTHONIOENCODING": "cp1252:strict"},
    {"PYTHONIOENCODING": "ascii:strict"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"LC_ALL": "en_US.ISO-8859-1", "PYTHONUTF8": "0"},
]
NAME = "猫 caf\xe9 \U0001f431"


def run(arguments: list[str], console: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    command = [sys.executable, "-m", "groupvit_export.cli", *arguments]
    return subprocess.run(command, env={**environment, **console}, capture_output=True, check=False)


@pytest.mark.parametrize("console", CONSOLES, ids=str)
def test_an_error_with_a_name_that_the_console_does_not_have(console: dict[str, str]) -> None:
    done = run(["inspect", f"/no/{NAME}", "--json"], console)
    assert done.returncode == 1
    # Python keeps the bytes of a name that its locale does not have.
    got = json.loads(done.stdout.decode("ascii"))["got"].encode("utf-8", "surrogateescape")
    assert NAME.encode() in got
    assert b"groupvit: error: " in done.stderr and b"Traceback" not in done.stderr


@pytest.mark.parametrize("console", CONSOLES, ids=str)
@pytest.mark.parametrize("arguments", [["--help"], ["bench", "--help"], ["doctor"], [NAME]])
def test_what_is_always_said(arguments: list[str], console: dict[str, str]) -> None:
    done = run(arguments, console)
    assert done.returncode == (2 if arguments == [NAME] else 0)
    assert b"Traceback" not in done.stderr
