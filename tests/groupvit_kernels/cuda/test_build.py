"""The CMake project without any SDK: what it builds, says and installs."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from groupvit_kernels import OPSET_VERSION

CONSUMER = """
cmake_minimum_required(VERSION 3.24)
project(consumer LANGUAGES C CXX)
find_package(groupvit_kernels_cuda 1 REQUIRED)
foreach(kind kernels_cuda kernels_cuda_static)
  add_executable(with_${kind} main.c)
  set_target_properties(with_${kind} PROPERTIES LINKER_LANGUAGE CXX)
  target_link_libraries(with_${kind} PRIVATE groupvit::${kind})
endforeach()
"""

MAIN = """
#include <groupvit/grouping_attention.h>
#include <stdio.h>

int main(void) {
  groupvit_kernel_status status = groupvit_grouping_attention(0, 0);
  printf("%d: %s", groupvit_grouping_attention_version(), groupvit_kernel_status_text(status));
  return 0;
}
"""


@pytest.mark.slow
def test_the_project_builds_installs_and_is_found(root: Path, tool: Any, run: Any, tmp_path: Path) -> None:
    cmake, nvcc = tool("cmake"), tool("nvcc")
    build, prefix = tmp_path / "build", tmp_path / "prefix"
    # Set to nothing, so that an SDK that happens to be installed stays out of it.
    without = ("-DTENSORRT_INCLUDE_DIR=", "-DTENSORRT_LIBRARY=", "-DONNXRUNTIME_INCLUDE_DIR=")
    where = (
        f"-DCMAKE_CUDA_COMPILER={nvcc}",
        f"-DCMAKE_INSTALL_PREFIX={prefix}",
        "-DCMAKE_INSTALL_LIBDIR=lib",
    )
    configured = run([cmake, "-S", root, "-B", build, *without, *where, "-DGROUPVIT_BUILD_GPU_CHECK=ON"])
    assert "groupvit_tensorrt_plugin is left out" in configured
    assert "groupvit_onnxruntime_op is left out" in configured
    run([cmake, "--build", build, "--parallel", "2"])
    run([cmake, "--install", build])

    # No GPU is no failure, a wrong result is.
    checked = subprocess.run([build / "gpu_check"], capture_output=True, text=True, check=False)
    assert checked.returncode in (0, 77), checked.stdout + checked.stderr

    source = tmp_path / "consumer"
    source.mkdir()
    (source / "CMakeLists.txt").write_text(CONSUMER)
    (source / "main.c").write_text(MAIN)
    run([cmake, "-S", source, "-B", source / "build", f"-DCMAKE_PREFIX_PATH={prefix}"])
    run([cmake, "--build", source / "build"])
    for kind in ("kernels_cuda", "kernels_cuda_static"):
        said = run([source / "build" / f"with_{kind}"])
        assert said.startswith(f"{OPSET_VERSION}: a pointer is null"), kind

    exported = run([tool("nm"), "-D", "--defined-only", prefix / "lib" / "libgroupvit_kernels_cuda.so"])
    assert {line.split()[-1] for line in exported.splitlines()} == {
        "groupvit_grouping_attention",
        "groupvit_grouping_attention_version",
        "groupvit_kernel_status_text",
    }
