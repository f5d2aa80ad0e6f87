"""The demo space in an environment of its own: by its interface for programs, and in Chromium."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from groupvit_export.data.bundled import DEMO_SAMPLE
from groupvit_runtime.colors import colors_of

# What lies on the path of this Python is not what a space has; pip would take it for installed.
ALONE = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}

REPOSITORY = Path(__file__).resolve().parents[2]

CLIENT = """
import json, sys
from gradio_client import Client, handle_file

client = Client(sys.argv[1], verbose=False)
image, call = handle_file(sys.argv[2]), {"api_name": "/segment"}
segments, shares = client.predict(image, "sky, grass, tree", "water", 0.2, "hf", **call)
try:
    client.predict(image, "sky, sky", "", 0, "hf", **call)
    refusal = ""
except Exception as error:
    refusal = str(error)
names = [one["label"] for one in segments["value"]["annotations"]]
found = {"names": names, "colors": segments["color_map"], "shares": shares, "refusal": refusal}
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("space") / "space"
    command = [sys.executable, REPOSITORY / "examples" / "space" / "assemble.py", "-o", folder]
    subprocess.run(command, check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    return folder


@pytest.fixture(scope="module")
def python(space: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    environment = tmp_path_factory.mktemp("environment")
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    command = [python, "-m", "pip", "install", "--quiet", "-r", "requirements.txt"]
    done = subprocess.run(command, cwd=space, capture_output=True, text=True, env=ALONE)
    if re.search(r"NewConnectionError|NameResolutionError|ConnectTimeoutError", done.stderr):
        pytest.skip("there is no package index here")
    assert done.returncode == 0, done.stderr
    return python


@pytest.fixture(scope="module")
def address(space: Path, python: Path) -> Iterator[str]:
    with subprocess.Popen(
        [python, "-u", "app.py"],
        cwd=space,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=ALONE,
    ) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if found := re.search(r"http://127\.0\.0\.1:\d+", line):
                yield found[0]
                break
        else:
            pytest.fail(f"the space ended before it served:\n{said}")
        process.terminate()


@pytest.mark.slow
def test_programs_can_call_it(address: str, python: Path) -> None:
    command = [python, "-c", CLIENT, address, str(DEMO_SAMPLE)]
    done = subprocess.run(command, capture_output=True, text=True, env=ALONE)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"sky", "grass"} <= set(found["names"]) <= {"sky", "grass", "tree"}
    assert found["shares"]["label"] == "sky"
    # Those of the runtime, which belong to the names.
    colors = colors_of(["sky", "grass", "tree", "unlabeled"], unlabeled=3).tolist()
    expected = {
        name: "#" + bytes(color).hex() for name, color in zip(("sky", "grass", "tree"), colors, strict=False)
    }
    assert expected.items() <= found["colors"].items()
    # The runtime's own words.
    assert "a label is given twice" in found["refusal"]


@pytest.mark.slow
def test_people_can_use_it(address: str) -> None:
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("Chromium is missing: apt-get install chromium")
    with sync_api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=program, args=["--no-sandbox"])
        page = browser.new_page()
        page.goto(address)
        page.set_input_files("input[type=file]", str(DEMO_SAMPLE))
        page.get_by_role("button", name="Segment", exact=True).click()
        page.wait_for_selector("text=27%", timeout=60_000)
        browser.close()
