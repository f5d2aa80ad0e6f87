"""The C++ runtime, built once a session."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / "runtimes" / "cpp"


@pytest.fixture(scope="session")
def cpp_build() -> Callable[[str], Path]:
    """Builds a target of CMake below build/, which git ignores, and gives the folder it is in."""
    if shutil.which("cmake") is None or not any(map(shutil.which, ("c++", "g++", "clang++"))):
        pytest.skip(
            "CMake or a C++ compiler is missing: apt-get install cmake g++ libgtest-dev nlohmann-json3-dev"
        )
    folder = REPOSITORY / "build" / "cpp-tests"
    options = ["-DGROUPVIT_BUILD_TESTS=ON", "-DGROUPVIT_WERROR=ON"]
    _run("cmake", "-S", str(SOURCE), "-B", str(folder), *options)

    def build(target: str) -> Path:
        _run("cmake", "--build", str(folder), "--target", target, "--parallel", "2")
        return folder

    return build


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}", pytrace=False)
