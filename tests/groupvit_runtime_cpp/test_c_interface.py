"""The C interface: its headers alone, versions, and what the library exports."""

from __future__ import annotations

import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cpp_runtime import Library

REPOSITORY = Path(__file__).resolve().parents[2]
INCLUDE = REPOSITORY / "runtimes" / "cpp" / "include"
STRICT = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", "-fsyntax-only", f"-I{INCLUDE}"]


def compiles(compiler: str, *arguments: str | Path) -> None:
    if shutil.which(compiler) is None:
        pytest.skip(f"{compiler} is missing: apt-get install g++")
    done = subprocess.run([compiler, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("compiler", "standard", "header", "suffix"),
    [
        ("gcc", "c99", "groupvit.h", "c"),
        ("gcc", "c11", "groupvit.h", "c"),
        ("g++", "c++17", "groupvit.h", "cpp"),
        ("g++", "c++17", "groupvit.hpp", "cpp"),
        ("g++", "c++20", "groupvit.hpp", "cpp"),
    ],
)
def test_the_header_compiles_alone(
    tmp_path: Path, compiler: str, standard: str, header: str, suffix: str
) -> None:
    source = tmp_path / f"alone.{suffix}"
    source.write_text(f"#include <groupvit/{header}>\n#include <groupvit/{header}>\n")
    compiles(compiler, f"-std={standard}", *STRICT, source)


@pytest.mark.parametrize("flavor", [[], ["-DGROUPVIT_TENSORRT_RTX"]])
def test_tensorrts_engine_compiles_against_what_is_documented(flavor: list[str]) -> None:
    triton = pytest.importorskip("triton", reason="Triton brings CUDA's headers")
    cuda = Path(triton.__file__).parent / "backends" / "nvidia" / "include"
    source = REPOSITORY / "runtimes" / "cpp"
    headers = ["-isystem", source / "tests" / "sdk_declarations", "-isystem", cuda, f"-I{source / 'src'}"]
    strict = [flag for flag in STRICT if flag != "-Wconversion"]
    for name in ("tensorrt.cpp", "cuda_memory.cpp", "runtime_cache.cpp"):
        compiles("g++", "-std=c++17", *flavor, *strict, *headers, source / "src" / "engines" / name)


def test_versions_agree(cpp_library: Library) -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert cpp_library.raw.groupvit_version().decode() == project["version"]
    header = (INCLUDE / "groupvit" / "groupvit.h").read_text()
    (declared,) = re.findall(r"#define GROUPVIT_ABI_VERSION (\d+)", header)
    assert cpp_library.raw.groupvit_abi_version() == int(declared)


def test_it_exports_what_the_header_declares_and_nothing_else(
    cpp_library: Library, cpp_build: Callable[[str], Path]
) -> None:
    if shutil.which("nm") is None:
        pytest.skip("nm is missing: apt-get install binutils")
    library = cpp_build("groupvit") / "libgroupvit.so"
    listed = subprocess.run(
        ["nm", "-D", "--defined-only", str(library)], capture_output=True, text=True, check=True
    )
    symbols = {line.split()[-1] for line in listed.stdout.splitlines()}
    header = (INCLUDE / "groupvit" / "groupvit.h").read_text()
    declared = set(re.findall(r"GROUPVIT_API [^;(]*?(groupvit_\w+)\(", header))
    # Templates of the standard library are the compiler's own.
    ours = {name for name in symbols if "groupvit" in name and not name.startswith("_ZNS")}
    assert len(declared) > 25
    assert {name for name in ours if not name.startswith("_Z")} == declared
    assert not [name for name in ours if name.startswith("_ZN8groupvit")]


def test_the_units_pass(cpp_build: Callable[[str], Path]) -> None:
    done = subprocess.run([cpp_build("groupvit_tests") / "groupvit_tests"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


# For the fixture says what is missing.
@pytest.mark.slow
@pytest.mark.usefixtures("cpp_build")
@pytest.mark.parametrize("sanitizers", ["address,undefined", "thread"])
def test_sanitizers_find_nothing(clang: str | None, sanitizers: str) -> None:
    """Threads, leaks and overflows, on an engine of arithmetic: vendors' code is not ours to mend."""
    compiler = clang or shutil.which("g++")
    if compiler is None:
        pytest.skip("no compiler with sanitizers: apt-get install clang libclang-rt-14-dev, or g++")
    folder = REPOSITORY / "build" / f"cpp-{sanitizers.partition(',')[0]}-{Path(compiler).name}"
    options = [
        # Half as long to compile as -O2.
        "-DCMAKE_BUILD_TYPE=None",
        "-DCMAKE_CXX_FLAGS=-O1",
        f"-DCMAKE_CXX_COMPILER={compiler}",
        "-DGROUPVIT_BUILD_TESTS=ON",
        "-DGROUPVIT_WERROR=ON",
        "-DGROUPVIT_WITH_OPENVINO=OFF",
        "-DGROUPVIT_BUILD_SHARED=OFF",
        "-DGROUPVIT_BUILD_STATIC=OFF",
        f"-DGROUPVIT_SANITIZE={sanitizers}",
    ]
    for command in (
        ["cmake", "-S", str(REPOSITORY / "runtimes" / "cpp"), "-B", str(folder), *options],
        ["cmake", "--build", str(folder), "--target", "groupvit_tests", "--parallel", "2"],
        [str(folder / "groupvit_tests")],
    ):
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]


@pytest.mark.slow
def test_memory_stays_where_it_is(cpp_library: Library, demo_bundles: Any, demo_labels: list[str]) -> None:
    import numpy as np
    from cpp_runtime import CppSegmenter

    segmenter = CppSegmenter(cpp_library, demo_bundles["openvino"])
    words = segmenter.encode(demo_labels)
    rgb = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    labels = np.empty((64, 64), np.uint16)

    def resident(calls: int) -> int:
        for _ in range(calls):
            segmenter.segment_into(rgb, words, labels)
        return int(Path("/proc/self/statm").read_text().split()[1])

    early = resident(100)
    assert resident(9_900) <= early * 1.02
