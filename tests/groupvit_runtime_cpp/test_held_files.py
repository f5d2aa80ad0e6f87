"""What the C++ runtime computes with is what was hashed, and a bundle of another digest is refused."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import pytest
from bad_bundles import edit_manifest
from cpp_runtime import CppError, CppSegmenter, Library, Status
from text_probe import TextProbe

from groupvit_runtime.errors import BundleError
from groupvit_runtime.manifest import FileInfo
from groupvit_runtime.open_bundle import open_bundle
from groupvit_runtime.serialize import to_json

IMAGE = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)


@pytest.fixture(params=["onnx", "openvino"])
def copy(request: pytest.FixtureRequest, demo_bundles: Mapping[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo_bundles[request.param], tmp_path / "bundle"))


def refused(library: Library, bundle: Path) -> str:
    with pytest.raises(CppError) as caught:
        CppSegmenter(library, bundle)
    assert caught.value.status is Status.BUNDLE
    return str(caught.value)


@pytest.mark.parametrize("cut", [False, True])
def test_files_that_change_under_a_loaded_engine_change_nothing(
    cpp_library: Library, copy: Path, demo_labels: list[str], cut: bool
) -> None:
    cpp = CppSegmenter(cpp_library, copy)
    words = cpp.encode(demo_labels)
    expected = cpp.segment(IMAGE, words)
    again = CppSegmenter(cpp_library, copy)
    for path in (*copy.glob("image.*"), *copy.glob("text.*")):
        with path.open("r+b") as file:
            file.truncate(0) if cut else file.write(os.urandom(path.stat().st_size))
    # One that had run, and one that had not.
    for segmenter in (cpp, again):
        found = segmenter.segment(IMAGE, words)
        np.testing.assert_array_equal(found.labels, expected.labels)
        assert found.scores == expected.scores
    assert refused(cpp_library, copy)


def test_weights_that_the_manifest_does_not_list_are_not_used(
    cpp_library: Library, demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(demo_bundles["openvino"], tmp_path / "bundle"))
    edit_manifest(bundle, lambda value: [engine["files"].pop() for engine in value["engines"]])
    assert "does not list the files" in refused(cpp_library, bundle)


def test_a_graph_with_weights_in_another_file_is_refused(
    cpp_library: Library,
    demo_bundles: Mapping[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = Path(shutil.copytree(demo_bundles["onnx"], tmp_path / "bundle"))
    graph = onnx.load(bundle / "image.onnx")
    onnx.save(
        graph, bundle / "image.onnx", save_as_external_data=True, location="weights.data", size_threshold=0
    )
    info = to_json(FileInfo.of(bundle, "image.onnx"))
    edit_manifest(bundle, lambda value: value["engines"][0].update(files=[info]))
    # Where ONNX Runtime would find them.
    monkeypatch.chdir(bundle)
    assert "weights in another file" in refused(cpp_library, bundle)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("name", ["manifest.json", "tokenizer.json", "text.onnx"])
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(
    cpp_library: Library, demo_bundles: Mapping[str, Path], tmp_path: Path, name: str
) -> None:
    bundle = Path(shutil.copytree(demo_bundles["onnx"], tmp_path / "bundle"))
    (bundle / name).unlink()
    os.mkfifo(bundle / name)
    assert refused(cpp_library, bundle)


def test_a_device_is_no_vocabulary(text_probe: TextProbe) -> None:
    with pytest.raises(Exception, match="vocabulary cannot be read"):
        text_probe.load_vocabulary(Path("/dev/zero"))


def test_the_digest_is_as_in_python(cpp_library: Library, copy: Path) -> None:
    digest = hashlib.sha256((copy / "manifest.json").read_bytes()).hexdigest()
    assert digest == open_bundle(copy).digest == CppSegmenter(cpp_library, copy).digest
    assert CppSegmenter.pinned(cpp_library, copy, digest.upper()).digest == digest
    edit_manifest(copy, lambda value: value["preprocessing"]["hf"].update(color_order="BGR"))
    with pytest.raises(BundleError, match="not the bundle that was asked for"):
        open_bundle(copy, digest)
    with pytest.raises(CppError, match="not the bundle that was asked for") as caught:
        CppSegmenter.pinned(cpp_library, copy, digest)
    assert caught.value.status is Status.BUNDLE
    for none in ("", "abc", "g" * 64):
        with pytest.raises(CppError, match="not the digest of a bundle") as caught:
            CppSegmenter.pinned(cpp_library, copy, none)
        assert caught.value.status is Status.USAGE
