"""Sixteen-bit files and transparent colors: the same pixels as of the array that they were made of."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from image_files import GRAY, GRAY_ALPHA, RGB, RGBA, png
from PIL import Image, TiffImagePlugin

from groupvit_runtime.errors import ImageError
from groupvit_runtime.read_image import read_image

EDGES = (0, 128, 129, 256, 32896, 65406, 65407, 65535)


def samples(channels: int, height: int = 21, width: int = 37) -> np.ndarray:
    """uint16 [H, W, channels]; in the first row the high byte is not always the nearest level."""
    values = np.random.default_rng(channels).integers(0, 65536, (height, width, channels), dtype=np.uint16)
    values[0, : len(EDGES)] = np.array(EDGES, np.uint16)[:, None]
    return values


def over_white(values: np.ndarray, alpha: np.ndarray | None = None) -> np.ndarray:
    """The documented formulas, in floating point: 0-65535 to the nearest level, then alpha to the nearest."""
    levels = np.rint(values / 257.0)
    if alpha is not None:
        a = np.rint(alpha / 257.0)[..., None]
        levels = np.floor((levels * a + 255 * (255 - a)) / 255 + 0.5)
    return np.broadcast_to(levels, (*levels.shape[:2], 3))


class TestPng:
    @pytest.mark.parametrize("interlaced", [False, True])
    @pytest.mark.parametrize(("kind", "channels"), [(GRAY, 1), (RGB, 3), (GRAY_ALPHA, 2), (RGBA, 4)])
    def test_sixteen_bits(self, kind: int, channels: int, interlaced: bool) -> None:
        values = samples(channels)
        data = png(values, 16, kind, interlaced=interlaced)
        if channels in (3, 4):
            read = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(read, values[:, :, [2, 1, 0, 3][:channels]])
        colors = channels - (kind in (GRAY_ALPHA, RGBA))
        alpha = None if colors == channels else values[:, :, -1]
        np.testing.assert_array_equal(read_image(data), over_white(values[:, :, :colors], alpha))

    def test_as_opencv_writes_it(self, tmp_path: Path) -> None:
        values = samples(3, 300, 200)
        cv2.imwrite(str(tmp_path / "a.png"), values[:, :, ::-1])
        np.testing.assert_array_equal(read_image(tmp_path / "a.png"), read_image(values))

    def test_of_an_opened_image_too(self) -> None:
        values = samples(3)
        data = png(values, 16, RGB)
        with Image.open(io.BytesIO(data)) as image:
            for _ in range(2):
                np.testing.assert_array_equal(read_image(image), read_image(values))
            # Once it is loaded there are high bytes only.
            assert np.asarray(image).tolist() == (values >> 8).tolist()

    def test_an_orientation_is_followed(self) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        file = io.BytesIO()
        values = samples(1)[:, :, 0]
        Image.fromarray(values).save(file, "PNG", exif=exif)
        np.testing.assert_array_equal(read_image(file), np.rot90(read_image(values), -1))

    def test_inside_an_icon(self) -> None:
        inner = png(samples(4, 16, 16), 16, RGBA)
        entry = (
            bytes((16, 16, 0, 0, 1, 0, 64, 0)) + len(inner).to_bytes(4, "little") + (22).to_bytes(4, "little")
        )
        icon = bytes((0, 0, 1, 0, 1, 0)) + entry + inner
        np.testing.assert_array_equal(read_image(icon), read_image(inner))

    @pytest.mark.parametrize("interlaced", [False, True])
    @pytest.mark.parametrize(
        ("depth", "kind"), [(1, GRAY), (2, GRAY), (4, GRAY), (8, GRAY), (16, GRAY), (8, RGB), (16, RGB)]
    )
    def test_the_transparent_color_is_white_at_every_depth(
        self, depth: int, kind: int, interlaced: bool
    ) -> None:
        values = samples(3 if kind == RGB else 1) >> (16 - depth)
        key = values[5, 7]
        # Of 16 bits the high bytes alone would be those of the transparent color.
        values[5, 8] = key ^ 1
        levels = np.rint(values * (255.0 / (2**depth - 1)))
        expected = np.where((values == key).all(axis=2, keepdims=True), 255, levels)
        read = read_image(png(values, depth, kind, transparent=key.tolist(), interlaced=interlaced))
        np.testing.assert_array_equal(read, np.broadcast_to(expected, read.shape))

    @pytest.mark.parametrize("depth", [1, 16])
    def test_the_transparent_color_of_a_loaded_image(self, depth: int) -> None:
        values = samples(1) >> (16 - depth)
        data = png(values, depth, GRAY, transparent=values[5, 7].tolist())
        image = Image.open(io.BytesIO(data))
        image.load()
        np.testing.assert_array_equal(read_image(image), read_image(data))


@pytest.mark.parametrize(("letter", "channels"), [("5", 1), ("6", 3)])
def test_ppm_of_sixteen_bits(letter: str, channels: int) -> None:
    values = samples(channels)
    data = f"P{letter} 37 21 65535\n".encode() + values.astype(">u2").tobytes()
    np.testing.assert_array_equal(read_image(data), over_white(values))


TIFFS: dict[str, dict[str, Any]] = {
    "rgb": {"channels": 3, "photometric": "rgb"},
    "rgba": {"channels": 4, "photometric": "rgb", "extrasamples": ["unassalpha"]},
    "rgbx": {"channels": 4, "photometric": "rgb", "extrasamples": ["unspecified"]},
    "gray": {"channels": 1, "photometric": "minisblack"},
    "gray alpha": {"channels": 2, "photometric": "minisblack", "extrasamples": ["unassalpha"]},
    "white is zero": {"channels": 1, "photometric": "miniswhite"},
    "white is zero, alpha": {"channels": 2, "photometric": "miniswhite", "extrasamples": ["unassalpha"]},
}
LAYOUTS: dict[str, dict[str, Any]] = {
    "strips": {"rowsperstrip": 4},
    "one strip": {},
    "tiles": {"tile": (16, 16)},
    "deflate": {"compression": "zlib", "rowsperstrip": 4},
    "lzma": {"compression": "lzma"},
    "predictor": {"compression": "zlib", "predictor": True, "rowsperstrip": 8},
    "predictor in tiles": {"compression": "zlib", "predictor": True, "tile": (16, 32)},
    "big": {"bigtiff": True},
}


class TestTiff:
    @pytest.mark.parametrize("order", ["<", ">"])
    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize(
        ("kind", "planes"),
        [
            (kind, planes)
            for kind, options in TIFFS.items()
            for planes in ("contig", "separate")[: options["channels"]]
        ],
    )
    def test_sixteen_bits(self, kind: str, planes: str, layout: str, order: Any, tmp_path: Path) -> None:
        options = {**TIFFS[kind], **LAYOUTS[layout]}
        channels = options.pop("channels")
        values = samples(channels)
        stored = values if channels > 1 else values[:, :, 0]
        if channels > 1:
            options["planarconfig"] = planes
            stored = stored if planes == "contig" else np.moveaxis(stored, 2, 0)
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, stored, byteorder=order, metadata=None, **options)
        alpha = values[:, :, -1] if "unassalpha" in options.get("extrasamples", ()) else None
        colors = 3 if channels > 2 else 1
        color = 65535 - values[:, :, :1] if "white" in kind else values[:, :, :colors]
        np.testing.assert_array_equal(read_image(path), over_white(color, alpha))

    def test_lzw_as_opencv_writes_it(self, tmp_path: Path) -> None:
        # With a horizontal predictor.
        values = samples(3, 300, 200)
        cv2.imwrite(str(tmp_path / "a.tif"), values[:, :, ::-1])
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), read_image(values))

    @pytest.mark.parametrize("order", ["<", ">"])
    def test_cmyk(self, order: Any, tmp_path: Path) -> None:
        values = samples(4)
        tifffile.imwrite(tmp_path / "a.tif", values, photometric="separated", byteorder=order)
        levels = np.rint(values / 257.0).astype(np.uint8)
        expected = Image.frombytes("CMYK", (37, 21), levels.tobytes()).convert("RGB")
        np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), np.asarray(expected))

    def test_color_that_was_multiplied_with_its_alpha(self, tmp_path: Path) -> None:
        color, alpha = samples(3), samples(1)
        alpha[:4] = 65535
        alpha[4] = 0
        stored = np.concatenate([np.rint(color * (alpha / 65535.0)).astype(np.uint16), alpha], axis=2)
        tifffile.imwrite(tmp_path / "a.tif", stored, photometric="rgb", extrasamples=["assocalpha"])
        expected = over_white(color, alpha[:, :, 0])
        opaque = slice(None, 5)
        read = read_image(tmp_path / "a.tif")
        np.testing.assert_array_equal(read[opaque], expected[opaque])
        np.testing.assert_allclose(read, expected, atol=1)

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_every_orientation_as_in_eight_bits(self, orientation: int, tmp_path: Path) -> None:
        values = samples(3)
        tag = [(274, "H", 1, orientation, True)]
        for name, data in (("deep", values), ("flat", read_image(values))):
            tifffile.imwrite(tmp_path / f"{name}.tif", data, photometric="rgb", extratags=tag, metadata=None)
        np.testing.assert_array_equal(read_image(tmp_path / "deep.tif"), read_image(tmp_path / "flat.tif"))

    def test_of_an_opened_image_too(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", samples(3), photometric="rgb")
        with Image.open(tmp_path / "a.tif") as image:
            np.testing.assert_array_equal(read_image(image), read_image(samples(3)))

    def test_twelve_bits_are_scaled(self, tmp_path: Path) -> None:
        values = np.array([[0, 4095, 8, 9, 2048, 4087]], np.uint16)
        bits = (values.ravel()[:, None] >> np.arange(11, -1, -1)) & 1
        directory = TiffImagePlugin.ImageFileDirectory_v2(prefix=b"II")
        data = np.packbits(bits.astype(np.uint8).ravel()).tobytes()
        for tag, value in (
            (256, 6),
            (257, 1),
            (258, 12),
            (259, 1),
            (262, 1),
            (273, 0),
            (277, 1),
            (279, len(data)),
        ):
            directory[tag] = value
        file = io.BytesIO()
        directory.save(file)
        file.write(data)
        np.testing.assert_array_equal(read_image(file)[:, :, 0], np.rint(values * (255 / 4095)))

    @pytest.mark.parametrize("layout", LAYOUTS)
    @pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
    def test_truncated(self, layout: str, share: float, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, samples(3), photometric="rgb", **LAYOUTS[layout])
        path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
        with pytest.raises(ImageError, match="cannot be read"):
            read_image(path)

    def test_too_large_before_it_is_decoded(self, tmp_path: Path) -> None:
        tifffile.imwrite(tmp_path / "a.tif", samples(3), photometric="rgb")
        with pytest.raises(ImageError, match="37 x 21 = 777 pixels"):
            read_image(tmp_path / "a.tif", max_pixels=776)

    def test_strips_that_lie_on_each_other_are_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        tifffile.imwrite(path, samples(3), photometric="rgb", rowsperstrip=1, metadata=None)
        with tifffile.TiffFile(path, mode="r+") as file:
            tag = file.pages[0].tags["StripByteCounts"]  # type: ignore[union-attr]
            tag.overwrite([1000] * 21)
        with pytest.raises(ImageError, match="cannot be read"):
            read_image(path)
