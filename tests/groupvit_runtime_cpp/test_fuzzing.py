"""The loaders of files that come from elsewhere, fuzzed for some seconds under sanitizers."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fuzz_corpus import CORPUS, seeds

SOURCE = Path(__file__).resolve().parents[2] / "runtimes" / "cpp"
TARGETS = ["manifest", "vocabulary", "tokenizer", "encode"]


@pytest.fixture(scope="session")
def fuzzers(clang: str | None) -> Callable[[str], Path]:
    """Builds a target: with libFuzzer where clang has it, else with the driver of fuzz/standalone.cpp."""
    compiler = clang or shutil.which("g++")
    if compiler is None or shutil.which("cmake") is None:
        pytest.skip("no compiler for fuzzing: apt-get install cmake clang libclang-rt-14-dev, or g++")
    folder = configured(compiler)

    def build(target: str) -> Path:
        _run("cmake", "--build", str(folder), "--target", f"{target}_fuzz", "--parallel", "2")
        return folder / f"{target}_fuzz"

    return build


def configured(compiler: str) -> Path:
    """The folder that CMake has configured for fuzzing; skips the test where a library is missing."""
    folder = SOURCE.parents[1] / "build" / f"cpp-fuzz-{Path(compiler).name}"
    options = [
        "-DGROUPVIT_BUILD_FUZZERS=ON",
        "-DGROUPVIT_WITH_OPENVINO=OFF",
        f"-DCMAKE_CXX_COMPILER={compiler}",
    ]
    command = ["cmake", "-S", str(SOURCE), "-B", str(folder), *options]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    missing = re.search(r'Could not find a package configuration file provided by "(\w+)"', done.stdout)
    if missing is not None:
        pytest.skip(f"{missing[1]} is missing: apt-get install nlohmann-json3-dev")
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}"
    return folder


def _run(*command: str, environment: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-4000:]}"
    return done.stdout


def fuzz(program: Path, target: str, found: Path, seconds: int) -> None:
    found.mkdir()
    limits = [f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048", "-max_len=20000", "-seed=1"]
    # A leak is an error too, and so is an allocation that a file asks for and nobody could make.
    environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=1:allocator_may_return_null=0"}
    places = [str(found)] if "clang" in program.parent.name else []
    output = _run(
        str(program),
        *limits,
        f"-artifact_prefix={found}/",
        *places,
        str(CORPUS / target),
        environment=environment,
    )
    assert "Done " in output


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
def test_nothing_falls_out_in_half_a_minute(
    fuzzers: Callable[[str], Path], tmp_path: Path, target: str
) -> None:
    fuzz(fuzzers(target), target, tmp_path / "found", 30)


def test_the_seeds_are_those_of_the_script() -> None:
    assert {str(path.relative_to(CORPUS)) for path in CORPUS.rglob("*.*")} == set(seeds())
    assert [path for path, data in seeds().items() if (CORPUS / path).read_bytes() != data] == []


def test_without_a_library_fuzzing_is_skipped_with_the_command_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = 'Could not find a package configuration file provided by "nlohmann_json"'
    (tmp_path / "cmake").write_text(f"#!/bin/sh\necho '{says}' >&2\nexit 1\n")
    (tmp_path / "cmake").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(pytest.skip.Exception, match="nlohmann_json is missing: apt-get install"):
        configured("g++")
