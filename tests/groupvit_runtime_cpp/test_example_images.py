"""The C++ example reads image files as the Python runtime does."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from image_files import GRAY, GRAY_ALPHA, RGB, RGBA, png
from PIL import Image

from groupvit_runtime.read_image import read_image

EXAMPLES = Path(__file__).resolve().parents[2] / "runtimes" / "cpp" / "examples"

PROGRAM = """
#include <cstdio>
#include "read_image.hpp"
int main(int, char** argv) {
  const Pixels image = read_image(argv[1]);
  std::fwrite(image.rgb.data(), 1, image.rgb.size(), stdout);
}
"""


@pytest.fixture(scope="module")
def read(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bytes], np.ndarray]:
    """By the example's own function, uint8 [H * W * 3]."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing: apt-get install g++")
    if not any(Path(root, "stb", "stb_image.h").is_file() for root in ("/usr/include", "/usr/local/include")):
        pytest.skip("stb is missing: apt-get install libstb-dev")
    folder = tmp_path_factory.mktemp("reader")
    (folder / "main.cpp").write_text(PROGRAM)
    subprocess.run(["g++", "-std=c++17", f"-I{EXAMPLES}", "main.cpp", "-o", "reader"], cwd=folder, check=True)

    def by_example(data: bytes) -> np.ndarray:
        (folder / "image").write_bytes(data)
        done = subprocess.run([folder / "reader", "image"], cwd=folder, capture_output=True, check=True)
        return np.frombuffer(done.stdout, np.uint8)

    return by_example


def samples(channels: int, depth: int) -> np.ndarray:
    values = np.random.default_rng(depth).integers(0, 65536, (21, 37, channels), dtype=np.uint16)
    values[0, :8] = np.array([0, 128, 129, 256, 32896, 65406, 65407, 65535], np.uint16)[:, None]
    return values >> (16 - depth)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(("kind", "channels"), [(GRAY, 1), (RGB, 3), (GRAY_ALPHA, 2), (RGBA, 4)])
def test_png(kind: int, channels: int, depth: int, read: Callable[[bytes], np.ndarray]) -> None:
    data = png(samples(channels, depth), depth, kind)
    np.testing.assert_array_equal(read(data), read_image(data).ravel())


@pytest.mark.parametrize(
    ("depth", "kind"), [(1, GRAY), (2, GRAY), (4, GRAY), (8, GRAY), (16, GRAY), (8, RGB), (16, RGB)]
)
def test_png_with_a_transparent_color(depth: int, kind: int, read: Callable[[bytes], np.ndarray]) -> None:
    values = samples(3 if kind == RGB else 1, depth)
    values[5, 8] = values[5, 7] ^ 1
    data = png(values, depth, kind, transparent=values[5, 7].tolist())
    np.testing.assert_array_equal(read(data), read_image(data).ravel())


def test_png_with_a_palette_of_alphas(read: Callable[[bytes], np.ndarray], tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) % 16)
    image.putpalette(np.random.default_rng(0).integers(0, 256, 48, dtype=np.uint8).tobytes())
    image.save(tmp_path / "a.png", transparency=bytes(range(0, 256, 16)))
    data = (tmp_path / "a.png").read_bytes()
    np.testing.assert_array_equal(read(data), read_image(data).ravel())
