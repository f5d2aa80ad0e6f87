"""What a user does: install, find the package, build the examples, run them."""

from __future__ import annotations

import os
import re
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
from groupvit_runtime.colors import colors_of
from groupvit_runtime.render import overlay

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / "runtimes" / "cpp" / "examples"

THINGS = (
    "balloon", "boat", "car", "house", "mountain", "tent", "tree", "sky", "water", "sand", "snow", "grass",
    "thing",
)  # fmt: skip


def run(*command: str | Path, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
    """What it prints. It finds libraries by itself: nothing says where they are."""
    environment = {name: value for name, value in os.environ.items() if name != "LD_LIBRARY_PATH"}
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, cwd=cwd, env={**environment, **(env or {})}
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
    """For the program in C; the one in C++ reads the PNG beside it."""
    path = tmp_path_factory.mktemp("images") / "sample.ppm"
    for suffix in (".ppm", ".png"):
        Image.open(DEMO_SAMPLE).convert("RGB").save(path.with_suffix(suffix))
    return path


PROGRAMS = (("segment", ".png", ("labels.png", "overlay.png")), ("segment_c", ".ppm", ("labels.pgm",)))
"""The examples, what they read and what they write."""


@pytest.fixture(scope="module")
def examples(prefix: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both programs."""
    if not list(Path("/usr/include").glob("**/png.h")):
        pytest.skip("libpng is missing: apt-get install libpng-dev")
    if not list(Path("/usr/include").glob("**/jpeglib.h")):
        pytest.skip("libjpeg is missing: apt-get install libjpeg-dev")
    if not any(
        Path(root, "stb/stb_easy_font.h").is_file() for root in ("/usr/include", "/usr/local/include")
    ):
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
    for program, suffix, files in PROGRAMS:
        command = (examples / program, demo_bundles[target], image.with_suffix(suffix), "sky", "tree")
        seen = observe(tmp_path / program, *command)
        assert (seen.status, seen.sockets, seen.stderr) == (0, (), ""), seen
        assert seen.written == tuple(f"cwd/{name}" for name in files)


@pytest.mark.slow
def test_both_examples_give_the_python_runtimes_labels(
    examples: Path, image: Path, demo_bundles: Mapping[str, Path], demo_labels: list[str], tmp_path: Path
) -> None:
    bundle = demo_bundles["openvino"]
    expected = Segmenter.load(bundle)(image, demo_labels).labels
    for program, suffix, written in PROGRAMS:
        text = run(examples / program, bundle, image.with_suffix(suffix), *demo_labels, cwd=tmp_path)
        assert "OpenVINO" in text and all(name in text for name in (*demo_labels, *written))
        with Image.open(tmp_path / written[0]) as written_image:
            np.testing.assert_array_equal(np.asarray(written_image), expected)


@pytest.mark.parametrize("count", [3, 9, 26])
def test_the_examples_label_map_is_pythons_in_size_and_colors(
    examples: Path, image: Path, demo_bundles: Mapping[str, Path], tmp_path: Path, count: int
) -> None:
    names = [f"{color} {thing}" for color in ("red", "blue") for thing in THINGS][:count]
    bundle = demo_bundles["openvino"]
    run(examples / "segment", bundle, image.with_suffix(".png"), *names, cwd=tmp_path)
    result = Segmenter.load(bundle)(image, names)
    header = (tmp_path / "labels.png").read_bytes()[24:26]
    assert header == bytes([8, 3]), "8 bits, palette"
    with Image.open(tmp_path / "labels.png") as written:
        assert written.mode == "P"
        colors = np.asarray(written.getpalette(), np.uint8).reshape(-1, 3)
        encoded = Image.fromarray(result.labels.astype(np.uint8))
        encoded.putpalette(colors.tobytes())
    np.testing.assert_array_equal(colors[:count], colors_of(names))
    encoded.save(tmp_path / "python.png", format="PNG", bits=8)
    sizes = [(tmp_path / name).stat().st_size for name in ("labels.png", "python.png")]
    # Pillow writes no sRGB chunk, and as many colors as there are; the rest is one library's deflate.
    assert sizes[0] <= sizes[1] * 1.1 + 200


@pytest.mark.slow
def test_the_examples_overlay_is_pythons_above_the_legend(
    examples: Path, demo_bundles: Mapping[str, Path], demo_labels: list[str], tmp_path: Path
) -> None:
    large, bundle = large_sample(tmp_path), demo_bundles["openvino"]
    run(examples / "segment", bundle, large, *demo_labels, cwd=tmp_path)
    result = Segmenter.load(bundle)(large, demo_labels)
    expected = overlay(np.asarray(Image.open(large)), result.labels, result.names)
    with Image.open(tmp_path / "overlay.png") as written:
        np.testing.assert_array_equal(np.asarray(written)[:648], np.asarray(expected)[:648])
        legend = np.asarray(written)[648:]
    shown = {tuple(color) for color in legend.reshape(-1, 3).tolist()}
    colors = colors_of(demo_labels)
    occur = {tuple(colors[label].tolist()) for label in np.unique(result.labels)}
    assert len(occur) > 2 and shown == occur | {(255, 255, 255), (24, 24, 24)}


def large_sample(folder: Path) -> Path:
    """Smaller ones are enlarged, in Python by interpolation."""
    path = folder / "large.png"
    with Image.open(DEMO_SAMPLE) as sample:
        sample.convert("RGB").resize((720, 648), Image.Resampling.BICUBIC).save(path)
    return path


def test_the_example_abstains_and_writes_a_heat_map(
    examples: Path, demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    large, bundle = large_sample(tmp_path), demo_bundles["openvino"]
    options = ["--threshold", "0.5", "--negative", "water", "--heatmap", "sky"]
    text = run(examples / "segment", bundle, large, *options, "house", "sky", cwd=tmp_path)
    result = Segmenter.load(bundle)(large, ["house", "sky"], threshold=0.5, negatives=["water"])
    assert len(np.unique(result.labels)) == 3 and "unlabeled" in text
    with Image.open(tmp_path / "labels.png") as labels, Image.open(tmp_path / "overlay.png") as shown:
        np.testing.assert_array_equal(np.asarray(labels), result.labels)
        colors = np.asarray(labels.getpalette(), np.uint8).reshape(-1, 3)
        np.testing.assert_array_equal(colors[:3], colors_of(result.names, unlabeled=2))
        np.testing.assert_array_equal(np.asarray(shown)[:648], np.asarray(result.overlay())[:648])
    with Image.open(tmp_path / "heatmap.png") as gray:
        expected = (result.heatmap("sky") * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        np.testing.assert_array_equal(np.asarray(gray), expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "much", "sky"], "is a number"),
        (["--threshold", "1.5", "sky"], "threshold is out of range"),
        (["--opacity", "1", "sky"], "no option --opacity"),
        (["--heatmap", "tree", "sky"], "no name is tree"),
        (["sky", "--negative"], "wants a value"),
    ],
)
def test_the_example_refuses_options_that_mean_nothing(
    examples: Path,
    image: Path,
    demo_bundles: Mapping[str, Path],
    tmp_path: Path,
    options: list[str],
    message: str,
) -> None:
    command = [examples / "segment", demo_bundles["openvino"], image.with_suffix(".png"), *options]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1 and message in done.stderr


def test_what_is_installed_has_no_place_of_this_machine_in_its_search_path(prefix: Path) -> None:
    if shutil.which("readelf") is None:
        pytest.skip("readelf is missing: apt-get install binutils")
    libraries = [path for path in prefix.rglob("*.so*") if not path.is_symlink()]
    told = {path.name: run("readelf", "--dynamic", path) for path in libraries}
    paths = {
        name: found
        for name, text in told.items()
        if (found := re.findall(r"\((?:RPATH|RUNPATH)\).*\[(.*)\]", text))
    }
    (ours,) = [path for path in libraries if path.name.startswith("libgroupvit.so")]
    assert paths[ours.name] == ["$ORIGIN/groupvit"]
    assert {entry for found in paths.values() for path in found for entry in path.split(":")} <= {
        "$ORIGIN", "$ORIGIN/groupvit",
    }  # fmt: skip
    installed = {path.name for path in (ours.parent / "groupvit").iterdir()}
    assert {"libonnxruntime.so.1", "libopenvino_intel_cpu_plugin.so"} <= installed


def test_the_pages_programs_compile_and_run_as_they_stand(
    prefix: Path, demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    programs = re.findall(
        r"^```cpp\n(.*?)^```", (REPOSITORY / "docs/cpp.md").read_text(), re.MULTILINE | re.DOTALL
    )
    assert programs
    (tmp_path / "demo-openvino").symlink_to(demo_bundles["openvino"])
    for program in programs:
        (tmp_path / "app.cpp").write_text(program)
        command = ["g++", "-std=c++17", "-Wall", "-Werror", "app.cpp", "-o", "app", *package_flags(prefix)]
        run(*command, cwd=tmp_path)
        assert run(tmp_path / "app", cwd=tmp_path).strip() in ("purple house", "yellow boat", "sky")


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


@pytest.mark.parametrize("kind", [[], ["--static"]])
def test_pkg_config_knows_it(
    prefix: Path, image: Path, demo_bundles: Mapping[str, Path], tmp_path: Path, kind: list[str]
) -> None:
    flags = package_flags(prefix, *kind)
    if kind:
        # Otherwise the linker takes the shared one of the two.
        flags = [flag.replace("-lgroupvit", "-l:libgroupvit.a") for flag in flags]
    run("gcc", "-std=c99", EXAMPLES / "segment.c", "-o", tmp_path / "user", *flags)
    text = run(tmp_path / "user", demo_bundles["openvino"], image, "sky", "water", cwd=tmp_path)
    assert "water" in text


def package_flags(prefix: Path, *kind: str) -> list[str]:
    if shutil.which("pkg-config") is None:
        pytest.skip("pkg-config is missing: apt-get install pkg-config")
    (folder,) = {path.parent for path in prefix.rglob("groupvit.pc")}
    command = ["pkg-config", "--cflags", "--libs", *kind, "groupvit"]
    return run(*command, env={"PKG_CONFIG_PATH": str(folder)}).split()


@pytest.mark.parametrize(
    ("engine", "package", "library"),
    [
        ("openvino", "openvino", "libopenvino.so*"),
        ("onnx", "onnxruntime", "libonnxruntime.so*"),
        ("litert", "ai_edge_litert", "libLiteRt.so"),
    ],
)
def test_the_engines_libraries_are_installed_beside_it(
    prefix: Path, cpp_library: Library, engine: str, package: str, library: str
) -> None:
    pytest.importorskip(package)
    if engine not in cpp_library.engines():
        pytest.skip(f"the library was built without an engine for {engine}")
    found = [path for path in prefix.rglob(library) if path.parent.name == "groupvit"]
    assert found and all(path.is_file() for path in found), sorted(prefix.rglob("*.so*"))


def test_the_installed_library_is_small(prefix: Path) -> None:
    (library,) = [path for path in prefix.rglob("libgroupvit.so.*.*.*") if not path.is_symlink()]
    assert library.stat().st_size <= 1_750_000, "with three engines and the tables of text cleaning"
