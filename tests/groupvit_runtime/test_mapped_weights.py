"""Weights that were packed are not resident a second time."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.engines.mapped_weights import MappedWeights
from groupvit_runtime.manifest import read_manifest

SMAPS = Path("/proc/self/smaps")
can_release = pytest.mark.skipif(
    not (SMAPS.is_file() and hasattr(mmap, "MADV_DONTNEED")),
    reason="the system does not tell what is resident",
)


def resident_bytes(path: Path) -> int:
    """Of this process's mappings of the file, all together."""
    total, is_of_file = 0, False
    for line in SMAPS.read_text().splitlines():
        field = line.split(maxsplit=1)[0]
        if not field.endswith(":"):
            is_of_file = line.endswith(str(path.resolve()))
        elif field == "Rss:" and is_of_file:
            total += int(line.split()[1]) * 1024
    return total


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
    engine = load_engine(read_manifest(bundle).engine("image"), bundle, EngineOptions())
    file = bundle / "image.bin"
    assert resident_bytes(file) < file.stat().st_size / 4
    pixels = np.random.default_rng(0).normal(size=(2, 3, 224, 224)).astype(np.float32)
    first, again = engine.run({"pixel_values": pixels}), engine.run({"pixel_values": pixels})
    assert resident_bytes(file) < file.stat().st_size / 4
    # The oracle: OpenVINO itself, which maps the file its own way.
    compiled = ov.Core().compile_model(
        bundle / "image.xml", "CPU", {"INFERENCE_PRECISION_HINT": ov.Type.f32, "PERFORMANCE_HINT": "LATENCY"}
    )
    expected = compiled({"pixel_values": pixels})
    for name, value in first.items():
        np.testing.assert_array_equal(value, expected[name])
        np.testing.assert_array_equal(again[name], value)
