"""The README's first two commands where nothing was installed by hand."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fresh_root import CannotBeMadeError, FreshRoot, fetch_torch, make_fresh_root
from PIL import Image

REPOSITORY = Path(__file__).resolve().parent.parent

# What no package can bring to a machine. Everything else that is skipped is missing by our fault.
OF_THE_MACHINE = re.compile(
    r"nvcc is not on PATH|there is a GPU|CUDA provider|does not compute in bf16|packages of this machine"
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreshRoot]:
    folder = tmp_path_factory.mktemp("fresh") / "root"
    try:
        made = make_fresh_root(folder, REPOSITORY)
    except CannotBeMadeError as missing:
        pytest.skip(f"no fresh root can be made: {missing}")
    yield made
    made.remove()


@pytest.fixture(scope="module")
def torch(root: FreshRoot, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What `make` is told of PyTorch, so that a root can have a local CPU build."""
    wheel = fetch_torch(tmp_path_factory.mktemp("wheels"), REPOSITORY / "constraints.txt")
    return f"TORCH={root.add_wheel(wheel)}"


def commands() -> list[str]:
    """The README's commands of `make`, in its order."""
    found = re.findall(r"^\$ (make [a-z-]+)", (REPOSITORY / "README.md").read_text(), re.MULTILINE)
    # `make test` builds the page, too.
    return [command for command in found if command != "make page"]


def succeed(root: FreshRoot, command: str, log: Path) -> str:
    status = root.run(command, log)
    printed = log.read_text()
    assert status == 0, f"{command} ended with {status} in a fresh Debian:\n{printed[-8000:]}"
    return printed


def test_the_first_command_segments_a_image(root: FreshRoot, torch: str, tmp_path: Path) -> None:
    first = commands()[0]
    assert first == "make demo"
    succeed(root, f"{first} {torch}", tmp_path / "demo.log")
    overlay = root.clone / "demo" / "sample.overlay.png"
    with Image.open(overlay) as image:
        image.load()
    status = subprocess.run(
        ["git", "status", "--short"], cwd=root.clone, capture_output=True, text=True, check=True
    )
    assert status.stdout == "", "the demo leaves files that git does not ignore"


def test_the_second_command_passes_and_leaves_nothing_out(
    root: FreshRoot, torch: str, tmp_path: Path
) -> None:
    second = commands()[1]
    assert second == "make test"
    printed = succeed(root, f"{second} {torch}", tmp_path / "test.log")
    skipped = re.findall(r"^SKIPPED \[(\d+)\] ([^\n]+)", printed, re.MULTILINE)
    ours = [f"{count} of {where}" for count, where in skipped if not OF_THE_MACHINE.search(where)]
    assert ours == [], "left out on a fresh machine although a package would bring what is missing"
    closing = re.findall(r"\b\d+ passed\b[^\n]*", printed)
    assert closing, printed[-2000:]
    counted = re.search(r"\b(\d+) skipped\b", closing[-1])
    assert (int(counted[1]) if counted else 0) == sum(int(count) for count, _ in skipped)
    assert "error" not in closing[-1] and "failed" not in closing[-1]
