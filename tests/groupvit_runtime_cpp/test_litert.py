"""LiteRT's engine in C++: what the Python runtime gives, by the library of its wheel."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cpp_label_maps
import numpy as np
import pytest
from bad_bundles import edit_manifest
from cpp_runtime import CppError, CppSegmenter, Library, Status

from groupvit_runtime import Segmenter
from groupvit_runtime.manifest import FileInfo

pytest.importorskip("ai_edge_litert", reason="LiteRT is missing, which the extra litert-runtime brings")

BUNDLE = Path(__file__).resolve().parents[1] / "data" / "litert"
IN_USE = {
    BUNDLE: "fp32",
    BUNDLE.with_name("litert-w16"): "fp16 weights, computed in float32",
    BUNDLE.with_name("litert-int8"): "int8 weights, activations quantized as they come",
}
WORDS = ["sky", "water", "red car"]
RGB = np.random.default_rng(0).integers(0, 256, (48, 64, 3), np.uint8)
WIDE = np.random.default_rng(1).integers(0, 256, (64, 200, 3), np.uint8)


@pytest.fixture(scope="module")
def library(cpp_library: Library) -> Library:
    if "litert" not in cpp_library.engines():
        pytest.skip("the library was built without LiteRT's engine: -DGROUPVIT_WITH_LITERT=AUTO")
    return cpp_library


@pytest.mark.parametrize("decode", ["hf", "paper"])
@pytest.mark.parametrize("rgb", [RGB, WIDE], ids=["image", "windows"])
@pytest.mark.parametrize("bundle", IN_USE, ids=lambda bundle: bundle.name)
def test_the_label_map_is_the_python_runtimes(
    library: Library, bundle: Path, rgb: np.ndarray, decode: Any
) -> None:
    """A file has a batch of 2, which windows do not fill, and longer sentences than these."""
    cpp, python = CppSegmenter(library, bundle), Segmenter.load(bundle)
    mine = cpp.segment(rgb, cpp.encode(WORDS), decode=decode)
    theirs = python(rgb, WORDS, decode=decode)
    np.testing.assert_array_equal(mine.labels, theirs.labels)
    np.testing.assert_array_equal(mine.groups, theirs.groups())
    np.testing.assert_allclose(mine.scores, list(theirs.scores.values()), rtol=0, atol=1e-12)


def test_it_says_what_is_in_use(library: Library) -> None:
    for bundle, computed in IN_USE.items():
        assert CppSegmenter(library, bundle, threads=1).engine == f"LiteRT, CPU, {computed}, 1 thread"
        assert CppSegmenter(library, bundle, threads=3).engine == f"LiteRT, CPU, {computed}, 3 threads"


def test_calls_of_several_threads_take_turns(library: Library) -> None:
    cpp = CppSegmenter(library, BUNDLE, threads=1)
    words = cpp.encode(WORDS)
    images = [np.roll(RGB, n, axis=1) for n in range(12)]
    wanted = [cpp.segment(image, words).labels for image in images]
    with ThreadPoolExecutor(4) as pool:
        for found, right in zip(
            pool.map(lambda image: cpp.segment(image, words), images), wanted, strict=True
        ):
            np.testing.assert_array_equal(found.labels, right)


@pytest.mark.parametrize("content", ["text", "cut", "other role"])
def test_a_file_that_is_no_engine_is_refused(library: Library, tmp_path: Path, content: str) -> None:
    bundle = Path(shutil.copytree(BUNDLE, tmp_path / "bundle"))
    whole = (BUNDLE / "image.tflite").read_bytes()
    wrong = {
        "text": b"no flatbuffer" * 20,
        "cut": whole[:-1000],
        "other role": (BUNDLE / "text.tflite").read_bytes(),
    }[content]
    (bundle / "image.tflite").write_bytes(wrong)
    info = FileInfo.of(bundle, "image.tflite")

    def listed(manifest: dict[str, Any]) -> None:
        (entry,) = (each for each in manifest["engines"] if each["role"] == "image")
        entry["files"][0] |= {"sha256": info.sha256, "bytes": info.bytes}

    edit_manifest(bundle, listed)
    with pytest.raises(CppError, match="refused the engine|finds other tensors") as caught:
        CppSegmenter(library, bundle)
    assert caught.value.status == Status.ENGINE


def segmented(library: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    folder.mkdir()
    np.savez(folder / "images.npz", noise=RGB)
    command = [cpp_label_maps.__file__, library, BUNDLE, folder / "images.npz", folder / "labels.npz", *WORDS]
    return subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux has descriptors of a thread")
def test_nothing_is_printed(library: Library, cpp_build: Callable[[str], Path], tmp_path: Path) -> None:
    done = segmented(cpp_build("groupvit") / "libgroupvit.so", tmp_path / "run")
    assert (done.returncode, done.stderr) == (0, "")
    assert "LiteRT, CPU, fp32" in done.stdout


def test_where_there_is_none_the_message_says_what_goes_where(
    library: Library, cpp_build: Callable[[str], Path], tmp_path: Path
) -> None:
    alone = shutil.copy((cpp_build("groupvit") / "libgroupvit.so").resolve(), tmp_path / "libgroupvit.so")
    done = segmented(Path(alone), tmp_path / "run")
    assert "LiteRT cannot be loaded" in done.stderr, done.stderr
    for words in ("libLiteRt.so", "cannot open shared object file", "groupvit/ beside this library"):
        assert words in done.stderr


def test_one_of_another_interface_is_refused(
    library: Library, cpp_build: Callable[[str], Path], tmp_path: Path
) -> None:
    """Functions of the same names take other arguments in older ones, and would end the process."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is missing: apt-get install g++")
    alone = shutil.copy((cpp_build("groupvit") / "libgroupvit.so").resolve(), tmp_path / "libgroupvit.so")
    (tmp_path / "groupvit").mkdir()
    (tmp_path / "old.c").write_text("int LiteRtCreateEnvironment(void) { return 0; }\n")
    command = ["gcc", "-shared", "-fPIC", tmp_path / "old.c", "-o", tmp_path / "groupvit" / "libLiteRt.so"]
    subprocess.run(list(map(str, command)), check=True)
    done = segmented(Path(alone), tmp_path / "run")
    assert "lacks a function of LiteRT's C interface" in done.stderr, done.stderr
    assert "LiteRT 2.2 or newer" in done.stderr
