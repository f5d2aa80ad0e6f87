"""What a user does: install, find the package, build the examples, run them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from cpp_runtime import Library
from observed import observe
from PIL import Image

from groupvit_export.data.bundled import DEMO_SAMPLE
from groupvit_runtime import Segmenter

EXAMPLES = Path(__file__).resolve().parents[2] / "runtimes" / "cpp" / "examples"


def run(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, cwd=cwd, env={**os.environ, **(env or {})}
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def prefix(
    cpp_library: Library, cpp_build: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = cpp_build("all")
    installed = tmp_path_factory.mktemp("prefix")
    run("cmake", "--install", folder, "--prefix", installed, "--strip")
    return installed


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("images") / "sample.ppm"
    Image.open(DEMO_SAMPLE).convert("RGB").save(path)
    return path


@pytest.fixture(scope="module")
def examples(prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both programs."""
    if not any(Path(root, "stb", "stb_image.h").is_file() for root in ("/usr/include", "/usr/local/include")):
        pytest.skip("stb is missing: apt-get install libstb-dev")
    folder = tmp_path_factory.mktemp("examples")
    run("cmake", "-S", EXAMPLES, "-B", folder, f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", folder)
    return folder


@pytest.mark.parametrize("target", ["openvino", "onnx"])
def test_the_examples_ask_no_network_and_leave_no_other_file(
    examples: Path,
    image: Path,
    cpp_library: Library,
    demo_bundles: Mapping[str, Path],
    tmp_path: Path,
    target: str,
) -> None:
    if target not in cpp_library.engines():
        pytest.skip(f"the library was built without an engine for {target}")
    for program, files in (("segment", ["labels.png", "overlay.png"]), ("segment_c", ["labels.pgm"])):
        command = (examples / program, demo_bundles[target], image, "sky", "tree")
        seen = observe(tmp_path / program, *command)
        assert (seen.status, seen.sockets, seen.stderr) == (0, (), ""), seen
        assert seen.written == tuple(f"cwd/{name}" for name in files)


def test_both_examples_give_the_python_runtimes_labels(
    examples: Path, image: Path, demo_bundles: Mapping[str, Path], demo_labels: list[str], tmp_path: Path
) -> None:
    bundle = demo_bundles["openvino"]
    expected = Segmenter.load(bundle)(image, demo_labels).labels
    for program, written in (("segment", "labels.png"), ("segment_c", "labels.pgm")):
        text = run(examples / program, bundle, image, *demo_labels, cwd=tmp_path)
        assert "OpenVINO" in text and all(name in text for name in demo_labels)
        with Image.open(tmp_path / written) as written_image:
            np.testing.assert_array_equal(np.asarray(written_image), expected)
    with Image.open(tmp_path / "labels.png") as written_image:
        assert written_image.mode == "P"
    with Image.open(tmp_path / "overlay.png") as written_image:
        assert written_image.size == expected.shape[::-1]


def test_the_static_library_is_found_and_runs(
    prefix: Path, image: Path, demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.20)\n"
        "project(static_user LANGUAGES C CXX)\n"
        "find_package(groupvit REQUIRED COMPONENTS static)\n"
        f"add_executable(user {EXAMPLES / 'segment.c'})\n"
        "target_link_libraries(user PRIVATE groupvit::static)\n"
        "set_target_properties(user PROPERTIES LINKER_LANGUAGE CXX)\n"
    )
    run("cmake", "-S", tmp_path, "-B", tmp_path / "build", f"-DCMAKE_PREFIX_PATH={prefix}")
    run("cmake", "--build", tmp_path / "build")
    assert "sky" in run(
        tmp_path / "build" / "user", demo_bundles["openvino"], image, "sky", "water", cwd=tmp_path
    )


def test_pkg_config_knows_it(
    prefix: Path, image: Path, demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    if shutil.which("pkg-config") is None:
        pytest.skip("pkg-config is missing: apt-get install pkg-config")
    (folder,) = {path.parent for path in prefix.rglob("groupvit.pc")}
    flags = run("pkg-config", "--cflags", "--libs", "groupvit", env={"PKG_CONFIG_PATH": str(folder)}).split()
    run("gcc", "-std=c99", EXAMPLES / "segment.c", "-o", tmp_path / "user", *flags)
    libraries = {"LD_LIBRARY_PATH": str(folder.parent)}
    text = run(
        tmp_path / "user", demo_bundles["openvino"], image, "sky", "water", cwd=tmp_path, env=libraries
    )
    assert "water" in text


def test_the_installed_library_is_small(prefix: Path) -> None:
    (library,) = [path for path in prefix.rglob("libgroupvit.so.*.*.*") if not path.is_symlink()]
    assert library.stat().st_size <= 1_200_000, "with OpenVINO's engine; without any it is at most 1 MB"
