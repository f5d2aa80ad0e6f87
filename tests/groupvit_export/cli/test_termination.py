"""A command that is asked to end leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

WORK = """
import time
from pathlib import Path
from groupvit_export import cli
from groupvit_runtime.files import staged_folder
from groupvit_runtime.temporary import scratch_folder

def run_app(arguments, command):
    with scratch_folder("test"), staged_folder(Path(arguments[0]), force=False):
        print("working", flush=True)
        time.sleep(600)

cli.run_app = run_app
raise SystemExit(cli.main())
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows ends processes without asking")
def test_what_is_temporary_goes_first(tmp_path: Path) -> None:
    places = [tmp_path / "out", tmp_path / "temporary"]
    for place in places:
        place.mkdir()
    command = [sys.executable, "-c", WORK, str(places[0] / "bundle")]
    environment = {**os.environ, "TMPDIR": str(places[1])}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None and process.stdout.readline() == b"working\n"
        assert all(any(place.iterdir()) for place in places)
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 143
    assert not any(any(place.iterdir()) for place in places)
