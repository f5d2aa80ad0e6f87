"""Compiling the kernels with the oldest and the newest Triton that `pyproject.toml` admits.

What spills depends on Triton and on the assembler that it brings; `test_aot.py` has the installed one only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

PYPROJECT = Path(__file__).resolve().parents[2] / "pyproject.toml"


def admitted() -> Requirement:
    """Triton as the extra `kernels` asks for it."""
    extras = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    (found,) = (each for each in map(Requirement, extras["kernels"]) if each.name == "triton")
    return found


def requirement_of(which: str) -> str:
    """What pip is asked for: the series at the lower bound, or whatever is the newest within the bounds."""
    wanted = admitted()
    if which == "newest":
        return f"triton{wanted.specifier}"
    (lowest,) = (each.version for each in wanted.specifier if each.operator == ">=")
    return f"triton=={lowest}.*"


@pytest.fixture(scope="module", params=["oldest", "newest"])
def triton(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with that Triton and nothing else, to be put before everything that is installed."""
    folder = tmp_path_factory.mktemp(request.param)
    wanted = requirement_of(request.param)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), wanted],
        capture_output=True,
        text=True,
    )
    if "No matching distribution found" in done.stderr:
        pytest.skip(f"pip offers no {wanted} to this Python; without a package index it offers nothing")
    assert done.returncode == 0, done.stderr
    return folder


def run(triton: Path, cache: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    # The package that is tested is where this process found it.
    environment["PYTHONPATH"] = os.pathsep.join([str(triton), *filter(None, sys.path)])
    environment["TRITON_CACHE_DIR"] = str(cache)
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, timeout=600
    )


@pytest.mark.slow
def test_no_kernel_spills_with_the_oldest_and_the_newest_triton(triton: Path, tmp_path: Path) -> None:
    shown = run(triton, tmp_path / "cache", "-c", "import triton; print(triton.__version__, triton.__file__)")
    version, file = shown.stdout.split()
    assert Path(file).is_relative_to(triton), "the installed Triton would be tested once more"
    assert admitted().specifier.contains(Version(version))
    done = run(triton, tmp_path / "cache", "-m", "groupvit_kernels.aot", "-o", str(tmp_path / "kernels"))
    assert done.returncode == 0, f"Triton {version}: {done.stderr}"
    print(f"Triton {version}:\n{done.stdout}")
