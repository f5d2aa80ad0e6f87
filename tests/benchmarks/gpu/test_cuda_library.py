"""What Python hands to the CUDA kernels lies as the C header says."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from pathlib import Path

import pytest

from benchmarks.gpu.cuda_library import _Arguments

INCLUDE = Path(__file__).resolve().parents[3] / "kernels" / "cuda" / "include"


def test_the_arguments_have_the_layout_of_the_header(tmp_path: Path) -> None:
    if shutil.which("g++") is None:
        pytest.skip("g++ is not on PATH: apt-get install g++")
    names = [name for name, _ in _Arguments._fields_]
    kind = "groupvit_grouping_attention_arguments"
    lines = [f'printf("%zu ", offsetof({kind}, {name}));' for name in names]
    source = tmp_path / "layout.cpp"
    source.write_text(
        "#include <cstddef>\n#include <cstdio>\n#include <groupvit/grouping_attention.h>\n"
        f'int main() {{ {" ".join(lines)} printf("%zu", sizeof({kind})); }}\n'
    )
    subprocess.run(["g++", "-I", INCLUDE, source, "-o", tmp_path / "layout"], check=True)
    said = subprocess.run([tmp_path / "layout"], capture_output=True, text=True, check=True).stdout
    ours = [getattr(_Arguments, name).offset for name in names]
    assert [int(number) for number in said.split()] == [*ours, ctypes.sizeof(_Arguments)]
