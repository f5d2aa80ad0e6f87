"""Weights that were packed are not resident a second time."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from fresh_process import in_fresh_process
from resident import can_release, of_python, resident_bytes

from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.engines.mapped_weights import MappedWeights
from groupvit_runtime.manifest import read_manifest


def file_of_weights(folder: Path) -> tuple[Path, np.ndarray]:
    values = np.random.default_rng(0).integers(0, 256, 1 << 22, np.uint8)
    path = folder / "weights.bin"
    path.write_bytes(values.tobytes())
    return path, values


@can_release
def test_what_was_read_is_given_back_and_comes_again(tmp_path: Path) -> None:
    path, values = file_of_weights(tmp_path)
    weights = MappedWeights(path)
    np.testing.assert_array_equal(weights.array, values)
    assert resident_bytes(path) == values.nbytes
    weights.release()
    assert resident_bytes(path) == 0
    np.testing.assert_array_equal(weights.array, values)


def test_a_system_without_the_advice_keeps_the_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(mmap, "MADV_DONTNEED", raising=False)
    path, values = file_of_weights(tmp_path)
    weights = MappedWeights(path)
    weights.release()
    np.testing.assert_array_equal(weights.array, values)


def test_nothing_reaches_the_file(tmp_path: Path) -> None:
    path, values = file_of_weights(tmp_path)
    MappedWeights(path).array[:] = 0
    assert path.read_bytes() == values.tobytes()


@can_release
def test_openvino_holds_its_packed_weights_only(demo_bundles: Mapping[str, Path]) -> None:
    import openvino as ov

    bundle = demo_bundles["openvino"]
    # Apart from whatever else has loaded the same file.
    assert max(in_fresh_process(of_python, bundle)) < (bundle / "image.bin").stat().st_size / 4
    engine = load_engine(read_manifest(bundle).engine("image"), bundle, EngineOptions())
    pixels = np.random.default_rng(0).normal(size=(2, 3, 224, 224)).astype(np.float32)
    first, again = engine.run({"pixel_values": pixels}), engine.run({"pixel_values": pixels})
    # The oracle: OpenVINO itself, which maps the file its own way.
    compiled = ov.Core().compile_model(
        bundle / "image.xml", "CPU", {"INFERENCE_PRECISION_HINT": ov.Type.f32, "PERFORMANCE_HINT": "LATENCY"}
    )
    expected = compiled({"pixel_values": pixels})
    for name, value in first.items():
        np.testing.assert_array_equal(value, expected[name])
        np.testing.assert_array_equal(again[name], value)
