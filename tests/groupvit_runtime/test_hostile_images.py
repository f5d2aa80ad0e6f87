"""Images that are made to take long, much memory, or a place that nobody looks at."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from image_files import GRAY, png
from image_seeds import sound_images
from PIL import Image

from groupvit_runtime.errors import ImageError
from groupvit_runtime.image_size import MAX_BYTES, MAX_PIXELS, MAX_SIDE
from groupvit_runtime.read_image import read_image
from tests.soak.images import run

MANY = 300_000
_GIF = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6)
_GIF_IMAGE = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x44\1\0;"
_JP2 = b"\0\0\0\x0cjP  \r\n\x87\n\0\0\0\x14ftypjp2 \0\0\0\0jp2 "


def chunk(name: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png_with(chunks: bytes) -> bytes:
    data = png(np.zeros((3, 3, 1), np.uint16), 8, GRAY)
    place = data.index(b"IDAT") - 4
    return data[:place] + chunks + data[place:]


def tiff_of_strips(count: int) -> bytes:
    """One row of one pixel in each, all of them the same byte."""
    tags = [(256, 1, 1), (257, 1, count), (258, 1, 8), (259, 1, 1), (262, 1, 1), (277, 1, 1), (278, 1, 1)]
    tags += [(273, count, 200), (279, count, 200 + 4 * count)]
    directory = b"".join(struct.pack("<HHII", tag, 4, number, value) for tag, number, value in sorted(tags))
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + directory + bytes(4)
    return head.ljust(200, b"\0") + struct.pack("<I", 8) * count + struct.pack("<I", 1) * count


PARTS: dict[str, tuple[Callable[[int], bytes], str]] = {
    "segments of a JPEG": (lambda many: b"\xff\xd8" + b"\xff\xfe\0\2" * many, "8,192 segments"),
    "chunks of a PNG": (lambda many: png_with(chunk(b"abCd") * many), "32,768 chunks"),
    "data of a PNG": (lambda many: png_with(chunk(b"IDAT") * many), "262,144 chunks"),
    "comments of a GIF": (lambda many: _GIF + b"!\xfe\1a\0" * many + _GIF_IMAGE, "65,536 blocks"),
    "pieces of a GIF's comment": (lambda many: _GIF + b"!\xfe" + b"\1a" * many + _GIF_IMAGE, "65,536 blocks"),
    "nothing in a GIF": (lambda many: _GIF + bytes(many) + _GIF_IMAGE, "65,536 blocks"),
    "boxes": (lambda many: _JP2 + b"\0\0\0\x08abcd" * many, "8,192 boxes"),
    "boxes in a box": (
        lambda many: _JP2 + struct.pack(">I4s", 8 + 8 * many, b"jp2h") + b"\0\0\0\x08abcd" * many,
        "8,192 boxes",
    ),
    "resources": (
        lambda many: (
            sound_images()["raw.psd"][:26] + struct.pack(">II", 0, 12 * many) + b"8BIM\0\1\0\0\0\0\0\0" * many
        ),
        "8,192 resources",
    ),
    "comments of a PPM": (lambda many: b"P6\n" + b"#\n" * many, "65,536 bytes before"),
    "comments between samples": (lambda many: b"P3 300 300 255 " + b"#\n1 " * many, "65,536 comments"),
    "colors": (lambda many: b'/* XPM */\n"60 60 2000000000 1",\n' + b'". c #123",\n' * many, "65,536 colors"),
    "strips": (tiff_of_strips, "131,072 are read"),
}


def refused(data: bytes, *words: str) -> None:
    with pytest.raises(ImageError) as caught:
        read_image(data)
    assert caught.value.got
    assert caught.value.expected
    assert caught.value.fix
    assert all(word in str(caught.value) for word in words), caught.value


@pytest.mark.parametrize("parts", PARTS)
def test_more_parts_than_any_encoder_writes(parts: str) -> None:
    made, words = PARTS[parts]
    refused(made(MANY), words)


@pytest.mark.parametrize("mode", ["1", "L", "RGB"])
@pytest.mark.parametrize("maximum", [1, 100, 255, 1000, 65535])
def test_a_plain_pnm(mode: str, maximum: int) -> None:
    kind, channels = {"1": ("P1", 1), "L": ("P2", 1), "RGB": ("P3", 3)}[mode]
    values = np.random.default_rng(0).integers(0, 2 if mode == "1" else maximum + 1, (7, 9, channels))
    header = f"{kind}\n# made here\n9 7\n" + ("" if mode == "1" else f"{maximum}\n")
    text = header + "\n".join(" ".join(map(str, row.ravel())) + " # a row" for row in values)
    with Image.open(io.BytesIO(text.encode())) as opened:
        expected = np.asarray(opened)
    if expected.dtype != np.uint8 and expected.dtype != bool:
        expected = (expected.astype(int) + 128) // 257
    expected = expected.astype(np.uint8) * (255 if mode == "1" else 1)
    expected = expected if expected.ndim == 3 else np.repeat(expected[:, :, None], 3, axis=2)
    np.testing.assert_array_equal(read_image(text.encode()), expected)


@pytest.mark.parametrize(
    "text", ["P3 2 2 255 1 2 3", "P3 1 1 255 1 2 256", "P2 1 1 255 -1", "P2 1 1 9 x", "P1 2 2 0 1"]
)
def test_a_plain_pnm_with_other_samples(text: str) -> None:
    refused(text.encode())


def test_a_broken_avif() -> None:
    data = bytearray(sound_images()["75.avif"])
    start = data.index(b"mdat") + 4
    data[start : start + 40] = bytes(40)
    refused(bytes(data), "RuntimeError")


def png_of(width: int, height: int) -> bytes:
    """Without its pixels."""
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + chunk(b"IDAT")
        + chunk(b"IEND")
    )


class TestSize:
    def test_the_usual_limit_is_pillows(self) -> None:
        assert Image.MAX_IMAGE_PIXELS is not None
        assert abs(MAX_PIXELS - 2 * Image.MAX_IMAGE_PIXELS) <= 1
        refused(png_of(13378, 13378), "178,956,970")

    def test_a_side(self) -> None:
        assert read_image(np.zeros((MAX_SIDE, 1), np.uint8)).shape == (MAX_SIDE, 1, 3)
        refused(png_of(1, MAX_SIDE + 1), "262,144 pixels a side")
        with pytest.raises(ImageError, match="a side"):
            read_image(np.zeros((1, MAX_SIDE + 1), np.uint8), max_pixels=MAX_PIXELS)

    def test_formats_that_take_more_memory_have_fewer_pixels(self) -> None:
        file = io.BytesIO()
        Image.new("L", (10_000, 10_000)).save(file, "JPEG2000")
        refused(file.getvalue(), f"at most {MAX_BYTES // 25:,} pixels")


def test_a_jpeg2000_whose_tiles_are_missing() -> None:
    for name in ("tiles.jp2", "codestream.jp2"):
        data = sound_images()[name]
        place = data.index(b"\xff\x51") + 6
        refused(data[:place] + struct.pack(">II", 1000, 1000) + data[place + 8 :], "tiles")


MEMORY = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from image_reader import outcome, status
data = Path(sys.argv[2]).read_bytes()
outcome(b"no image")
before = status("VmRSS")
Path("/proc/self/clear_refs").write_text("5")
assert outcome(data)["what"] == "read"
print((status("VmHWM") - before) * 1024)
"""
SIDE = 3000


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="only Linux counts so")
@pytest.mark.parametrize(
    ("mode", "kind", "options", "most"),
    [
        ("L", "PNG", {}, 6),
        ("RGB", "PNG", {}, 9),
        ("I;16", "PNG", {}, 8),
        ("RGB", "JPEG", {}, 5),
        ("RGB", "JPEG", {"progressive": True, "subsampling": 0}, 11),
        ("P", "GIF", {}, 6),
        ("RGB", "WEBP", {"quality": 1, "method": 0}, 17),
        ("RGB", "TIFF", {"compression": "tiff_lzw"}, 11),
    ],
)
def test_memory(mode: str, kind: str, options: dict[str, object], most: int, tmp_path: Path) -> None:
    """Bytes a pixel; two are what is held for a strip, of an image of this size."""
    Image.new(mode, (SIDE, SIDE)).save(tmp_path / "a", kind, **options)
    support = Path(__file__).resolve().parents[1] / "support"
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, support, tmp_path / "a"], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < most * SIDE * SIDE, int(done.stdout) / SIDE**2


@pytest.mark.parametrize("count", [600, pytest.param(30_000, marks=pytest.mark.slow)])
def test_damaged_images_of_every_format(count: int, tmp_path: Path) -> None:
    counts = run(3600, seed=count, most=count, keep=tmp_path / "found")
    assert counts["failures"] == 0, sorted((tmp_path / "found").iterdir())
    assert counts["inputs"] == count
    assert counts["read"] > count // 10
