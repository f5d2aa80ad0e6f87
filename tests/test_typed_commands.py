"""What the pages tell people to type: it is what the programs take, and the README's commands all succeed."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from groupvit_export.cli.app import VERBS, _load

REPOSITORY = Path(__file__).resolve().parent.parent
README = REPOSITORY / "README.md"
PAGES = [
    path
    for path in (README, *(REPOSITORY / "docs").glob("*.md"), *(REPOSITORY / "examples").rglob("*.md"))
    if "groupvit" in path.read_text(encoding="utf-8")
]
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)

LEFT_OUT = {
    "pip install": "would fetch gigabytes into this environment; test_distributions.py installs both wheels",
    "make page": "fetches from the npm registry; CI runs it by itself",
    "groupvit demo": "serves until it is interrupted; test_demo.py looks at it",
    "make test": "is this very run, or hours; its goals are only looked up",
    "make lint": "is a step of CI by itself; its goal is only looked up",
    "make resolve": "asks the package index; its goal is only looked up",
}
"""Beginnings of the README's lines that are not run here, and why."""


def commands(page: Path) -> Iterator[str]:
    """What follows a prompt, in the page's order; a backslash goes on with the next line."""
    for language, block in _BLOCK.findall(page.read_text(encoding="utf-8")):
        if language == "console":
            yield from re.findall(r"^\$ (.*)$", block.replace("\\\n", " "), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPOSITORY).as_posix())
def test_every_command_line_is_one_that_the_program_takes(page: Path) -> None:
    for line in commands(page):
        words = shlex.split(line, comments=True)
        if words[:1] == ["groupvit-export"]:
            words = ["groupvit", "export", *words[1:]]
        if words[:1] != ["groupvit"]:
            continue
        assert words[1] in VERBS, line
        end = next((words.index(sign) for sign in ("|", ">", "&&") if sign in words), len(words))
        # Refuses what there is not, as the program does; nothing is run.
        _load(words[1]).make_context(words[1], words[2:end])


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tracked files and what is new beside them, with the present environment as `.venv`."""
    activate = Path(sys.prefix) / "bin" / "activate"
    if not activate.is_file():
        pytest.skip(f"this Python is in no virtual environment: there is no {activate}")
    folder = tmp_path_factory.mktemp("clone")
    listing = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        names = subprocess.run(listing, cwd=REPOSITORY, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is no clone, so git cannot list its files")
    for name in map(os.fsdecode, filter(None, names.split(b"\0"))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, folder / name)
    shutil.copytree(Path(sys.prefix) / "bin", folder / ".venv" / "bin", symlinks=True)
    # What `make` looks at to see that the packages are there.
    (folder / ".venv" / ".export").touch()
    return folder


@pytest.mark.slow
def test_the_tutorial_succeeds_in_one_shell(clone: Path) -> None:
    page = REPOSITORY / "docs" / "tutorial.md"
    folders = map(str, (clone, clone / "kernels", clone / "runtimes" / "python"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    typed = "\n".join(commands(page))
    shell = subprocess.run(
        ["bash", "-e"], input=typed, cwd=clone, env=environment, capture_output=True, text=True
    )
    assert shell.returncode == 0, f"{shell.stdout[-4000:]}\n{shell.stderr[-4000:]}"
    (python,) = (block for language, block in _BLOCK.findall(page.read_text()) if language == "python")
    subprocess.run([sys.executable, "-c", python], cwd=clone, env=environment, check=True)
    assert (clone / "overlay.png").is_file() and (clone / "abstaining" / "sample.overlay.png").is_file()
    for name in ("demo", "out", "abstaining", "small"):
        shutil.rmtree(clone / name)


@pytest.mark.slow
def test_the_commands_of_the_readme_succeed_in_one_shell(clone: Path) -> None:
    lines = list(commands(README))
    left_out = [line for line in lines if line.startswith(tuple(LEFT_OUT))]
    assert {next(start for start in LEFT_OUT if line.startswith(start)) for line in left_out} == set(LEFT_OUT)
    run = [line for line in lines if line not in left_out]
    assert run[:2] == [line for line in run if re.match(r"make demo|\. \.venv", line)]
    # The clone's own code, whatever the environment was installed from.
    folders = map(str, (clone, clone / "kernels", clone / "runtimes" / "python"))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(folders)}
    shell = subprocess.run(
        ["bash", "-e"], input="\n".join(run), cwd=clone, env=environment, capture_output=True, text=True
    )
    assert shell.returncode == 0, f"{shell.stdout[-4000:]}\n{shell.stderr[-4000:]}"
    assert (clone / "demo" / "sample.overlay.png").is_file() and (clone / "out").is_dir()
    (python,) = (block for language, block in _BLOCK.findall(README.read_text()) if language == "python")
    subprocess.run([sys.executable, "-c", python], cwd=clone, env=environment, check=True)
    assert (clone / "overlay.png").is_file()
    for line in left_out:
        if line.startswith("make"):
            goal = shlex.split(line, comments=True)[1]
            subprocess.run(["make", "-n", goal], cwd=clone, capture_output=True, check=True)
