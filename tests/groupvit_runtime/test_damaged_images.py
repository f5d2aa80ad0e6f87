"""Sound files of many encoders are read, and damaged ones refused where docs/images.md says so."""

from __future__ import annotations

import io
import struct
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tifffile
from image_files import RGB, png
from image_seeds import scene, sound_images, written
from PIL import Image, ImageFile

from groupvit_runtime.errors import ImageError
from groupvit_runtime.read_image import read_image

DOCS = Path(__file__).resolve().parents[2] / "docs" / "images.md"

# By the rows of the table in the documentation: which of the sound images they are about.
ROWS = {
    "PNG, also inside ICO": ("RGB.png", "P.png", "I16.png", "animated.png", "kind2-16-1.png", "png.ico"),
    "TIFF with deflate or LZMA": (
        "tiff_deflate-RGB.tif",
        "lzma-RGB.tif",
        "tifffile-8-tile=(32, 48)-compression=zlib.tif",
        "tifffile-16-rowsperstrip=7-compression=zlib.tif",
        "tifffile-16-compression=zlib-predictor=True.tif",
    ),
    "JPEG, MPO": ("75-0-2.jpg", "75-1-0.jpg", "CMYK-1.jpg", "restarts.jpg", "one.mpo"),
    "WebP, AVIF, JPEG 2000, GIF": (
        "80.webp",
        "lossless.webp",
        "75.avif",
        "lossless.jp2",
        "P-0.gif",
        "P-1.gif",
    ),
    "TIFF otherwise": ("raw-RGB.tif", "tiff_lzw-RGB.tif", "packbits-RGB.tif", "jpeg-RGB.tif", "zstd-RGB.tif"),
    "BMP, DIB, PNM, PCX, TGA, PSD, QOI, Sun raster, XBM, XPM": (
        *("RGB.bmp", "RGB.dib", "RGB.ppm", "P.pcx", "RGB.pcx", "RGB-None.tga", "L-tga_rle.tga", "raw.psd"),
        *("packed.psd", "RGB.qoi", "raw.ras", "1.xbm", "two.xpm"),
    ),
}


def table() -> dict[str, list[str]]:
    lines = (
        DOCS.read_text(encoding="utf-8").split("| --- | --- | --- | --- |\n")[1].split("\n\n")[0].splitlines()
    )
    cells = ([cell.strip() for cell in line.strip("|").split(" | ")] for line in lines)
    return {row[0]: row[1:3] for row in cells}


def read(data: bytes) -> np.ndarray | None:
    """None where it is refused."""
    try:
        return read_image(data)
    except ImageError:
        return None


def is_same(found: np.ndarray | None, right: np.ndarray) -> bool:
    return found is not None and found.shape == right.shape and bool((found == right).all())


def cuts(data: bytes) -> Iterator[bytes]:
    return (data[: len(data) * part // 24] for part in range(1, 24))


def flips(data: bytes, places: list[int]) -> Iterator[bytes]:
    for number, place in enumerate(places):
        changed = bytearray(data)
        changed[place] ^= 1 << number % 8
        yield bytes(changed)


def places_of_pixels(name: str, data: bytes) -> list[int]:
    """Spread over the file, or over the strips and tiles of a TIFF."""
    parts = [(0, len(data))]
    if name.endswith(".tif"):
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = file.pages[0]
            parts = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    inside = [place for start, length in parts for place in range(start, start + length)]
    return inside[len(inside) // 20 : -len(inside) // 20 : max(len(inside) // 40, 1)]


@pytest.mark.parametrize("name", sorted(sound_images()))
def test_a_sound_image_is_read(name: str) -> None:
    data = sound_images()[name]
    pixels = read_image(data)
    with Image.open(io.BytesIO(data)) as opened:
        plain = opened.mode in ("RGB", "L", "CMYK", "YCbCr") and not opened.info.get("transparency")
        deep = "16" in name or name in ("turned.png", "thumbnail.jpg")
        if plain and not deep:
            np.testing.assert_array_equal(pixels, np.asarray(opened.convert("RGB")))


def test_the_documentation_has_these_rows() -> None:
    assert list(table()) == list(ROWS)


@pytest.mark.parametrize("row", ROWS)
def test_a_file_that_is_cut_off(row: str) -> None:
    assert table()[row][0] == "refused"
    for name in ROWS[row]:
        data = sound_images()[name]
        right = read_image(data)
        for part in cuts(data):
            found = read(part)
            assert found is None or is_same(found, right), f"{name}, {len(part)} of {len(data)} bytes"


@pytest.mark.parametrize("row", ROWS)
def test_a_bit_that_changed(row: str) -> None:
    passed = 0
    for name in ROWS[row]:
        data = sound_images()[name]
        right = read_image(data)
        for changed in flips(data, places_of_pixels(name, data)):
            found = read(changed)
            passed += found is not None and not is_same(found, right)
    says = table()[row][1]
    assert says == ("mostly passes" if passed else "refused"), f"{passed} passed with other pixels"


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, at = [], 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        found.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def rebuilt(parts: list[tuple[bytes, bytes]], *, broken: int | None = None) -> bytes:
    """With right checksums, but for one chunk."""
    file = b"\x89PNG\r\n\x1a\n"
    for index, (name, data) in enumerate(parts):
        checksum = zlib.crc32(name + data) ^ (index == broken)
        file += struct.pack(">I", len(data)) + name + data + struct.pack(">I", checksum)
    return file


class TestPng:
    def with_stream(self, stream: bytes) -> bytes:
        """RGB of 21 x 37 with these data."""
        data = png(np.zeros((21, 37, 3), np.uint16), 8, RGB)
        return rebuilt([(name, stream if name == b"IDAT" else part) for name, part in chunks(data)])

    @pytest.mark.parametrize("name", ["animated.png", "turned.png", "optimized.png", "two-bits.png"])
    def test_the_checksum_of_any_chunk(self, name: str) -> None:
        parts = chunks(sound_images()[name])
        assert is_same(read(rebuilt(parts)), read_image(sound_images()[name]))
        for index, (kind, _) in enumerate(parts):
            with pytest.raises(ImageError, match=kind.decode()):
                read_image(rebuilt(parts, broken=index))

    def test_data_that_end_early_with_all_checksums_right(self) -> None:
        rows = bytes(21 * (1 + 3 * 37))
        assert read(self.with_stream(zlib.compress(rows))) is not None
        for missing in (1, 112, 20 * 112):
            with pytest.raises(ImageError, match="end before the image does"):
                read_image(self.with_stream(zlib.compress(rows[:-missing])))

    def test_the_checksum_of_the_stream(self) -> None:
        stream = zlib.compress(bytes(21 * (1 + 3 * 37)))
        for damaged in (stream[:-1] + b"\0", stream[:-4], stream[:-1]):
            assert read(self.with_stream(damaged)) is None

    def test_more_data_than_pixels(self) -> None:
        rows = bytes(21 * (1 + 3 * 37))
        assert read(self.with_stream(zlib.compress(rows + b"\0" * 99))) is not None
        assert read(self.with_stream(zlib.compress(rows + bytes(1 << 22)))) is None

    @pytest.mark.parametrize("size", [1, 7, 1000])
    def test_data_in_many_chunks(self, size: int) -> None:
        data = sound_images()["kind6-16-1.png"]
        parts: list[tuple[bytes, bytes]] = []
        for name, part in chunks(data):
            pieces = range(0, len(part), size) if name == b"IDAT" else [0]
            parts += [(name, part[at : at + size] if name == b"IDAT" else part) for at in pieces]
        parts.insert(2, (b"IDAT", b""))
        assert is_same(read(rebuilt(parts)), read_image(data))


class TestJpeg:
    @pytest.mark.parametrize("progressive", [False, True])
    @pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
    @pytest.mark.parametrize("lenient", [False, True])
    def test_a_scan_that_ends_early(
        self, mode: str, progressive: bool, lenient: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
        data = written(mode, "JPEG", progressive=progressive, quality=90)
        right = read_image(data)
        start = data.index(b"\xff\xda") + 14
        for length in range(start, len(data) - 2, max((len(data) - start) // 60, 1)):
            found = read(data[:length].rstrip(b"\xff") + b"\xff\xd9")
            assert found is None or is_same(found, right), length

    def test_an_opened_image(self, tmp_path: Path) -> None:
        data = written("RGB", "JPEG", quality=90)
        (tmp_path / "a.jpg").write_bytes(data[: len(data) // 2] + b"\xff\xd9")
        with Image.open(tmp_path / "a.jpg") as opened, pytest.raises(ImageError, match="damaged"):
            read_image(opened)

    def test_what_was_told_to_decode_smaller_stays_so(self) -> None:
        opened = Image.open(io.BytesIO(written("RGB", "JPEG")))
        opened.draft("L", (20, 20))
        expected = Image.open(io.BytesIO(written("RGB", "JPEG")))
        expected.draft("L", (20, 20))
        np.testing.assert_array_equal(read_image(opened), np.asarray(expected.convert("RGB")))

    def test_bytes_left_over(self) -> None:
        data = written("RGB", "JPEG")
        assert read(data[:-2] + bytes(range(1, 65)) + data[-2:]) is None

    def test_many_scans(self) -> None:
        data = written("RGB", "JPEG", progressive=True)
        last = data.rindex(b"\xff\xda")
        with pytest.raises(ImageError, match="scans"):
            read_image(data[:last] + data[last:-2] * 100 + b"\xff\xd9")

    @pytest.mark.parametrize("sampling", ["2x2,2x1,1x1", "2x1,1x2,1x1", "4x2"])
    def test_a_subsampling_without_a_name(self, sampling: str, tmp_path: Path) -> None:
        Image.fromarray(scene()).save(tmp_path / "a.ppm")
        try:
            done = subprocess.run(
                ["cjpeg", "-sample", sampling, tmp_path / "a.ppm"], capture_output=True, check=True
            )
        except FileNotFoundError:
            pytest.skip("cjpeg is missing: apt-get install libjpeg-turbo-progs")
        with Image.open(io.BytesIO(done.stdout)) as opened:
            np.testing.assert_array_equal(read_image(done.stdout), np.asarray(opened))


def test_a_palette_of_pcx_that_was_cut_off() -> None:
    data = sound_images()["P.pcx"]
    for length in (len(data) - 1, len(data) - 400, len(data) - 769):
        assert read(data[:length]) is None
