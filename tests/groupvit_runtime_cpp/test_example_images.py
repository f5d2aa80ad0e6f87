"""The C++ example reads image files as the Python runtime does."""

from __future__ import annotations

import shutil
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from image_files import GRAY, GRAY_ALPHA, RGB, RGBA, png
from image_mutations import mutated
from image_seeds import sound_images
from PIL import Image

from groupvit_runtime.read_image import read_image

Reader = Callable[[bytes], np.ndarray | str]

EXAMPLES = Path(__file__).resolve().parents[2] / "runtimes" / "cpp" / "examples"

# Pixels on standard output; for several files a line each.
PROGRAM = """
#include <cstdio>
#include <exception>
#include "read_image.hpp"
int main(int count, char** argv) {
  for (int i = 1; i < count; ++i) {
    try {
      const Pixels image = read_image(argv[i]);
      if (count == 2) std::fwrite(image.rgb.data(), 1, image.rgb.size(), stdout);
      else std::printf("read\\n");
    } catch (const std::exception& error) {
      if (count == 2) return std::fprintf(stderr, "%s", error.what()), 1;
      std::printf("refused\\n");
    }
  }
}
"""


def compiled(folder: Path, *options: str) -> Path:
    """The program; skips the test where something is missing."""
    if shutil.which("g++") is None:
        pytest.skip("g++ is missing: apt-get install g++")
    (folder / "main.cpp").write_text(PROGRAM)
    command = ["g++", "-std=c++17", *options, f"-I{EXAMPLES}", "main.cpp", "-o", "reader", "-lpng", "-ljpeg"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if ("No such file or directory" in done.stderr and "lib.h" in done.stderr) or "png.h" in done.stderr:
        pytest.skip("a library is missing: apt-get install libjpeg-dev libpng-dev")
    assert done.returncode == 0, done.stderr
    return folder / "reader"


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("reader"), "-Wall", "-Wextra", "-Werror")


@pytest.fixture
def read(reader: Path, tmp_path: Path) -> Reader:
    """By the example's own function, uint8 [H * W * 3]; what is wrong where it is refused."""

    def by_example(data: bytes) -> np.ndarray | str:
        (tmp_path / "image").write_bytes(data)
        done = subprocess.run([reader, tmp_path / "image"], capture_output=True)
        assert done.returncode in (0, 1)
        return done.stderr.decode() if done.returncode else np.frombuffer(done.stdout, np.uint8)

    return by_example


def samples(channels: int, depth: int) -> np.ndarray:
    values = np.random.default_rng(depth).integers(0, 65536, (21, 37, channels), dtype=np.uint16)
    values[0, :8] = np.array([0, 128, 129, 256, 32896, 65406, 65407, 65535], np.uint16)[:, None]
    return values >> (16 - depth)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize(("kind", "channels"), [(GRAY, 1), (RGB, 3), (GRAY_ALPHA, 2), (RGBA, 4)])
def test_png(kind: int, channels: int, depth: int, read: Reader) -> None:
    data = png(samples(channels, depth), depth, kind)
    np.testing.assert_array_equal(read(data), read_image(data).ravel())


@pytest.mark.parametrize(
    ("depth", "kind"), [(1, GRAY), (2, GRAY), (4, GRAY), (8, GRAY), (16, GRAY), (8, RGB), (16, RGB)]
)
def test_png_with_a_transparent_color(depth: int, kind: int, read: Reader) -> None:
    values = samples(3 if kind == RGB else 1, depth)
    values[5, 8] = values[5, 7] ^ 1
    data = png(values, depth, kind, transparent=values[5, 7].tolist())
    np.testing.assert_array_equal(read(data), read_image(data).ravel())


def test_png_with_a_palette_of_alphas(read: Reader, tmp_path: Path) -> None:
    image = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8) % 16)
    image.putpalette(np.random.default_rng(0).integers(0, 256, 48, dtype=np.uint8).tobytes())
    image.save(tmp_path / "a.png", transparency=bytes(range(0, 256, 16)))
    data = (tmp_path / "a.png").read_bytes()
    np.testing.assert_array_equal(read(data), read_image(data).ravel())


SOUND = [name for name in sorted(sound_images()) if name.endswith((".png", ".jpg")) and name != "version.jpg"]


@pytest.mark.parametrize("name", [name for name in SOUND if name not in ("turned.png", "thumbnail.jpg")])
def test_a_sound_image(name: str, read: Reader) -> None:
    data = sound_images()[name]
    if name == "zeros-before-the-end.jpg":
        # The example has no second try.
        assert "extraneous" in str(read(data))
        return
    np.testing.assert_array_equal(read(data), read_image(data).ravel())


@pytest.mark.parametrize("name", ["RGB.png", "kind6-16-1.png", "75-0-2.jpg", "CMYK-1.jpg"])
def test_a_file_that_is_cut_off(name: str, read: Reader) -> None:
    data = sound_images()[name]
    for part in range(1, 16):
        assert isinstance(read(data[: len(data) * part // 16]), str)


def test_damage_in_a_png(read: Reader) -> None:
    data = sound_images()["RGB.png"]
    for place in range(40, len(data) - 12, len(data) // 24):
        assert isinstance(read(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]), str)


def test_a_jpeg_whose_scan_ends_early(read: Reader) -> None:
    data = sound_images()["75-0-2.jpg"]
    assert "premature end" in str(read(data[: len(data) // 2].rstrip(b"\xff") + b"\xff\xd9"))


def test_a_bomb(read: Reader) -> None:
    data = bytearray(sound_images()["RGB.png"])
    data[16:24] = struct.pack(">II", 20000, 20000)
    data[29:33] = struct.pack(">I", zlib.crc32(data[12:29]))
    assert "178956970" in str(read(bytes(data)))


def damaged(folder: Path, count: int, seed: int) -> list[Path]:
    rng, others = np.random.default_rng(seed), [sound_images()[name] for name in SOUND]
    paths = [folder / f"{number}" for number in range(count)]
    for path in paths:
        path.write_bytes(mutated(others[int(rng.integers(len(others)))], rng, others))
    return paths


@pytest.mark.parametrize("count", [400, pytest.param(20_000, marks=pytest.mark.slow)])
def test_damaged_images_under_sanitizers(count: int, tmp_path: Path) -> None:
    program = compiled(tmp_path, "-O1", "-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all")
    paths = damaged(tmp_path, count, seed=count)
    for first in range(0, count, 400):
        done = subprocess.run([program, *paths[first : first + 400]], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-4000:]
        assert len(done.stdout.split()) == 400
        assert {*done.stdout.split()} == {"read", "refused"}
