"""On photographs' sizes: the sample scenes and random images, label map by label map as in Python."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import cpp_label_maps
import numpy as np
import pytest
from cpp_runtime import CppSegmenter, Library
from PIL import Image

from groupvit_export.data.bundled import DEMO_SCENES
from groupvit_runtime import Segmenter
from groupvit_runtime.manifest import DecodeName
from groupvit_runtime.read_image import read_image

SCENES = sorted((DEMO_SCENES / "images").iterdir())
RANDOM = 20


@pytest.fixture(scope="module")
def images() -> dict[str, np.ndarray]:
    """RGB: the scenes, then noise from fine to coarse, so that label maps have small and large parts."""
    found = {path.stem: read_image(path) for path in SCENES}
    rng = np.random.default_rng(7)
    for number in range(RANDOM):
        height, width = (int(side) for side in rng.integers(300, 1000, 2))
        grain = 2 ** (number % 6)
        noise = rng.integers(0, 256, (-(-height // grain), -(-width // grain), 3), np.uint8)
        resized = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)
        found[f"random-{number}"] = np.asarray(resized)
    assert len(found) == 19 + RANDOM
    return found


def compare(
    python: Segmenter,
    maps: Mapping[str, np.ndarray],
    images: Mapping[str, np.ndarray],
    labels: list[str],
    decode: DecodeName = "hf",
) -> None:
    expected = {name: python(rgb, labels, decode=decode).labels for name, rgb in images.items()}
    assert [name for name in images if not np.array_equal(maps[name], expected[name])] == []
    # A model that sees one class everywhere would have agreed on nothing.
    assert all(len(np.unique(each)) > 1 for name, each in expected.items() if not name.startswith("random"))


@pytest.mark.parametrize("decode", ["hf", "paper"])
def test_openvino_gives_the_label_maps_of_python(
    cpp_library: Library,
    demo_bundles: Mapping[str, Path],
    demo_labels: list[str],
    images: dict[str, np.ndarray],
    decode: str,
) -> None:
    cpp = CppSegmenter(cpp_library, demo_bundles["openvino"])
    words = cpp.encode(demo_labels)
    maps = {name: cpp.segment(rgb, words, decode=decode).labels for name, rgb in images.items()}
    compare(Segmenter.load(demo_bundles["openvino"]), maps, images, demo_labels, decode)


def compare_in_another_process(
    library: Path | str, bundle: Path, images: Mapping[str, np.ndarray], labels: list[str], folder: Path
) -> None:
    np.savez(folder / "images.npz", **images)
    written = folder / "labels.npz"
    script = [sys.executable, cpp_label_maps.__file__]
    arguments = [library, bundle, folder / "images.npz", written, *labels]
    done = subprocess.run([*script, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    python = Segmenter.load(bundle)
    # Python's version says more of the build.
    assert done.stdout.strip().split(", ")[1:] == python.engine_description.split(", ")[1:]
    with np.load(written) as maps:
        compare(python, dict(zip(images, maps.values(), strict=True)), images, labels)


def test_onnx_runtime_gives_the_label_maps_of_python(
    cpp_library: Library,
    demo_bundles: Mapping[str, Path],
    demo_labels: list[str],
    images: dict[str, np.ndarray],
    tmp_path: Path,
) -> None:
    compare_in_another_process(cpp_library.path, demo_bundles["onnx"], images, demo_labels, tmp_path)


@pytest.mark.slow
def test_aotinductor_gives_the_label_maps_of_python(
    cpp_torch_library: Path,
    torch_bundle: Path,
    demo_labels: list[str],
    images: dict[str, np.ndarray],
    tmp_path: Path,
) -> None:
    compare_in_another_process(cpp_torch_library, torch_bundle, images, demo_labels, tmp_path)
