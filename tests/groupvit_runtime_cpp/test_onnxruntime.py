"""ONNX Runtime is loaded when the first bundle asks for it, in whatever version is there."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import cpp_label_maps
import numpy as np
import pytest
from cpp_runtime import Library

NAME = "libonnxruntime.so.1"
OLDEST_TRIED = "1.20.1"

# What every version of the library has in common, with nothing behind it.
IMPOSTOR = """
#include <stdio.h>
struct Base { const void* (*api)(unsigned); const char* (*version)(void); };
static const void* api(unsigned wanted) { fprintf(stderr, "asked for %u\\n", wanted); return 0; }
static const char* version(void) { return VERSION; }
static const struct Base base = {api, version};
const struct Base* EXPORTED(void) { return &base; }
"""


@pytest.fixture(scope="module")
def library(cpp_library: Library, cpp_build: Callable[[str], Path]) -> Path:
    if "onnx" not in cpp_library.engines():
        pytest.skip("the library was built without ONNX Runtime's engine: -DGROUPVIT_WITH_ONNXRUNTIME=AUTO")
    return cpp_build("groupvit") / "libgroupvit.so"


def segmented(
    library: Path, bundle: Path, folder: Path, search: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """A label map, written to `folder`, by the ONNX Runtime that lies in `search`."""
    folder.mkdir(exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), np.uint8)
    np.savez(folder / "images.npz", noise=pixels)
    command = [cpp_label_maps.__file__, library, bundle, folder / "images.npz", folder / "labels.npz"]
    environment = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    if search is not None:
        environment["LD_LIBRARY_PATH"] = str(search)
    return subprocess.run(
        [sys.executable, *map(str, command), "sky", "tree"], capture_output=True, text=True, env=environment
    )


def impostor(folder: Path, version: str, exported: str = "OrtGetApiBase") -> Path:
    """The folder of a library with ONNX Runtime's name, and its way of versions in symbols."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is missing: apt-get install g++")
    folder.mkdir()
    (folder / "impostor.c").write_text(IMPOSTOR)
    (folder / "versions").write_text(f"VERS_{version} {{ global: {exported}; local: *; }};\n")
    defined = [f'-DVERSION="{version}"', f"-DEXPORTED={exported}"]
    linked = [f"-Wl,--version-script={folder / 'versions'},-soname,{NAME}", "-o", str(folder / NAME)]
    subprocess.run(["gcc", "-shared", "-fPIC", *defined, str(folder / "impostor.c"), *linked], check=True)
    return folder


def test_it_is_bound_to_no_version(library: Path) -> None:
    if shutil.which("readelf") is None:
        pytest.skip("readelf is missing: apt-get install binutils")
    command = ["readelf", "--wide", "--dynamic", "--version-info", "--dyn-syms", str(library)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "libopenvino.so" in told
    assert "VERS_1." not in told and "OrtGetApiBase" not in told and "libonnxruntime" not in told


@pytest.mark.parametrize("version", ["1.12.1", "1.9.0", "0.5.0"])
def test_one_that_is_too_old_is_refused(
    library: Path, demo_bundles: Mapping[str, Path], tmp_path: Path, version: str
) -> None:
    old = impostor(tmp_path / "old", version)
    done = segmented(library, demo_bundles["onnx"], tmp_path / "run", old)
    assert done.returncode != 0
    assert "the ONNX Runtime that was loaded is too old" in done.stderr, done.stderr
    assert f"got: ONNX Runtime {version}" in done.stderr and "ONNX Runtime 1.13 or newer" in done.stderr
    # A real one would print that it has no such interface.
    assert "asked for" not in done.stderr


def test_one_that_is_new_enough_is_asked_for_the_oldest_interface_that_will_do(
    library: Path, demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    new = impostor(tmp_path / "new", "1.99.0")
    done = segmented(library, demo_bundles["onnx"], tmp_path / "run", new)
    assert "asked for 13\n" in done.stderr


def test_something_else_by_its_name_is_refused(
    library: Path, demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    other = impostor(tmp_path / "other", "1.30.0", exported="OrtGetSomething")
    done = segmented(library, demo_bundles["onnx"], tmp_path / "run", other)
    assert f"{NAME} is no ONNX Runtime" in done.stderr and "OrtGetApiBase" in done.stderr


def test_where_there_is_none_the_message_says_what_goes_where(
    library: Path, demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    if ctypes.util.find_library("onnxruntime") is not None:
        pytest.skip("the system has an ONNX Runtime")
    alone = shutil.copy(library.resolve(), tmp_path / "libgroupvit.so")
    done = segmented(Path(alone), demo_bundles["onnx"], tmp_path / "run")
    assert "ONNX Runtime cannot be loaded" in done.stderr, done.stderr
    for words in (NAME, "cannot open shared object file", "groupvit/ beside this library", "LD_LIBRARY_PATH"):
        assert words in done.stderr


@pytest.mark.slow
def test_an_older_release_gives_the_same_label_map(
    library: Path, demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--dest", str(tmp_path)]
    fetched = subprocess.run([*pip, f"onnxruntime=={OLDEST_TRIED}"], capture_output=True, text=True)
    if fetched.returncode != 0:
        pytest.skip(f"onnxruntime {OLDEST_TRIED} cannot be had here: {fetched.stderr.strip()[-200:]}")
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as opened:
        member = f"onnxruntime/capi/libonnxruntime.so.{OLDEST_TRIED}"
        (tmp_path / NAME).write_bytes(opened.read(member))
    maps = {}
    for version, search in (("", None), (OLDEST_TRIED, tmp_path)):
        done = segmented(library, demo_bundles["onnx"], tmp_path / f"run{version}", search)
        assert done.returncode == 0 and f"ONNX Runtime {version}" in done.stdout, done.stderr
        with np.load(tmp_path / f"run{version}" / "labels.npz") as written:
            maps[version] = written["arr_0"]
    np.testing.assert_array_equal(*maps.values())
