"""What an engine computes with is what was hashed: nothing else is opened, and nothing is read again."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from bad_bundles import edit_manifest

from groupvit_runtime import Segmenter
from groupvit_runtime.engines import Engine, EngineOptions, load_engine
from groupvit_runtime.errors import BundleError, EngineError
from groupvit_runtime.manifest import EngineInfo, FileInfo, read_manifest

PIXELS = np.random.default_rng(0).normal(size=(2, 3, 224, 224)).astype(np.float32)


@pytest.fixture
def copy(demo_bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(demo_bundle, tmp_path / "bundle"))


def load(bundle: Path) -> Engine:
    return load_engine(read_manifest(bundle).engine("image"), bundle, EngineOptions())


def spoil(bundle: Path, size: int | None = None) -> None:
    """Write into the files of the engines where they lie, as `cp` does, or cut them."""
    for path in bundle.glob("image.*"):
        with path.open("r+b") as file:
            if size is None:
                file.write(os.urandom(path.stat().st_size))
            else:
                file.truncate(size)


@pytest.mark.parametrize("size", [None, 0], ids=["overwritten", "cut"])
def test_files_that_change_under_a_loaded_engine_change_nothing(copy: Path, size: int | None) -> None:
    engine = load(copy)
    expected = engine.run({"pixel_values": PIXELS[:1]})
    spoil(copy, size)
    # Another shape, for which weights may be packed anew.
    found = engine.run({"pixel_values": PIXELS})
    again = engine.run({"pixel_values": PIXELS[:1]})
    for name, value in expected.items():
        np.testing.assert_array_equal(again[name], value)
        assert found[name].shape[1:] == value.shape[1:]
    with pytest.raises(BundleError):
        load(copy)


def test_an_engine_that_was_never_run_before_its_files_change(copy: Path, demo_bundle: Path) -> None:
    engine = load(copy)
    spoil(copy)
    expected = load(demo_bundle).run({"pixel_values": PIXELS})
    for name, value in engine.run({"pixel_values": PIXELS}).items():
        np.testing.assert_array_equal(value, expected[name])


def test_weights_that_the_manifest_does_not_list_are_not_used(
    demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    bundle = Path(shutil.copytree(demo_bundles["openvino"], tmp_path / "bundle"))
    edit_manifest(bundle, lambda value: [engine["files"].pop() for engine in value["engines"]])
    with pytest.raises(BundleError, match=r"does not list the files(.|\n)*\.bin"):
        Segmenter.load(bundle)


@pytest.mark.parametrize("names", [("image.onnx", "image.onnx"), ("text.bin",), ("image.xml", "image.onnx")])
def test_an_engine_has_the_files_of_its_target(
    demo_bundles: Mapping[str, Path], names: tuple[str, ...]
) -> None:
    for target in ("onnx", "openvino"):
        info = read_manifest(demo_bundles[target]).engine("image")
        files = tuple(FileInfo(name, "0" * 64, 1) for name in names)
        with pytest.raises(BundleError, match="does not list the files"):
            load_engine(replace(info, files=files), demo_bundles[target], EngineOptions())


def with_external_weights(info: EngineInfo, bundle: Path, folder: Path, location: str) -> EngineInfo:
    """The engine with weights in another file, by onnx itself."""
    graph = onnx.load(bundle / "image.onnx")
    onnx.save(graph, folder / "image.onnx", save_as_external_data=True, location=location, size_threshold=0)
    return replace(info, files=(FileInfo.of(folder, "image.onnx"),))


def test_a_graph_with_weights_in_another_file_is_refused(
    demo_bundles: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = read_manifest(demo_bundles["onnx"]).engine("image")
    info = with_external_weights(info, demo_bundles["onnx"], tmp_path, "weights.data")
    # Where ONNX Runtime would find them.
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BundleError, match="weights in another file"):
        load_engine(info, tmp_path, EngineOptions())


def test_the_word_alone_is_no_external_data(demo_bundles: Mapping[str, Path], tmp_path: Path) -> None:
    info = read_manifest(demo_bundles["onnx"]).engine("image")
    graph = onnx.load(demo_bundles["onnx"] / "image.onnx")
    graph.doc_string = "allocation relocation location"
    onnx.save(graph, tmp_path / "image.onnx")
    info = replace(info, files=(FileInfo.of(tmp_path, "image.onnx"),))
    assert load_engine(info, tmp_path, EngineOptions()).run({"pixel_values": PIXELS})


def test_what_is_read_is_what_was_hashed(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    info = FileInfo.of(tmp_path, "a")
    assert info.read(tmp_path) == b"abc"
    (tmp_path / "a").write_bytes(b"abd")
    with pytest.raises(BundleError, match="not the one that was exported"):
        info.read(tmp_path)
    with pytest.raises(BundleError, match="truncated or was changed"):
        replace(info, bytes=1 << 62).read(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no named pipes")
@pytest.mark.parametrize("name", ["manifest.json", "image.onnx", "tokenizer.json"])
def test_a_pipe_in_place_of_a_file_is_refused_and_not_waited_for(
    demo_bundles: Mapping[str, Path], tmp_path: Path, name: str
) -> None:
    bundle = Path(shutil.copytree(demo_bundles["onnx"], tmp_path / "bundle"))
    (bundle / name).unlink()
    os.mkfifo(bundle / name)
    with pytest.raises(BundleError):
        Segmenter.load(bundle)
    (bundle / name).unlink()
    os.mkfifo(tmp_path / "pipe")
    (bundle / name).symlink_to(tmp_path / "pipe")
    with pytest.raises(BundleError):
        Segmenter.load(bundle)


def test_an_error_of_the_engine_is_no_error_of_the_bundle(
    demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    for name in ("image.xml", "image.bin"):
        (tmp_path / name).write_bytes(b"")
    files = tuple(FileInfo.of(tmp_path, name) for name in ("image.xml", "image.bin"))
    info = replace(read_manifest(demo_bundles["openvino"]).engine("image"), files=files)
    with pytest.raises(EngineError, match="refused the engine"):
        load_engine(info, tmp_path, EngineOptions())
