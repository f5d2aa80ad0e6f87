"""The tests of images and decoding once more, with AddressSanitizer and UndefinedBehaviorSanitizer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


@pytest.mark.slow
def test_image_under_sanitizers() -> None:
    gcc = shutil.which("gcc")
    if gcc is None:
        pytest.skip("GCC is missing, whose sanitizers Python has to load first: apt-get install g++")
    # The C++ library as well, for otherwise AddressSanitizer does not find what throws.
    first = [
        subprocess.run([gcc, f"-print-file-name={name}"], check=True, capture_output=True, text=True)
        for name in ("libasan.so", "libstdc++.so")
    ]
    environment = os.environ | {
        "CC": gcc,
        "CXX": shutil.which("g++") or "g++",
        "GROUPVIT_SANITIZE": "address,undefined",
        "LD_PRELOAD": " ".join(library.stdout.strip() for library in first),
        # Python keeps what it allocates until it ends.
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
            str(FOLDER / "test_image.py"),
        ],
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
