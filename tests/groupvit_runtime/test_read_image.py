"""Images from files and arrays to RGB bytes."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageOps

from groupvit_runtime.errors import ImageError
from groupvit_runtime.read_image import read_image


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def cat() -> np.ndarray:
    return skimage.data.chelsea()


class TestReadImage:
    def test_a_lossless_file_comes_back(self, tmp_path: Path) -> None:
        pixels = noise(5, 7)
        Image.fromarray(pixels).save(tmp_path / "a.png")
        for source in (tmp_path / "a.png", str(tmp_path / "a.png"), Image.fromarray(pixels), pixels):
            result = read_image(source)
            assert result.dtype == np.uint8
            assert result.flags.c_contiguous
            np.testing.assert_array_equal(result, pixels)

    @pytest.mark.parametrize("suffix", ["jpg", "webp", "bmp", "gif", "tif", "ppm"])
    def test_formats(self, suffix: str, tmp_path: Path, cat: np.ndarray) -> None:
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(cat).save(path)
        with Image.open(path) as image:
            np.testing.assert_array_equal(read_image(path), np.asarray(image.convert("RGB")))

    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("suffix", ["png", "tif", "jpg"])
    def test_images_are_turned_upright(self, orientation: int, suffix: str, tmp_path: Path) -> None:
        # Numbered quadrants, large enough to survive JPEG.
        upright = np.repeat(np.repeat(np.array([[0, 80], [160, 240], [40, 120]], np.uint8), 16, 0), 16, 1)
        stored = {
            1: upright,
            2: upright[:, ::-1],
            3: upright[::-1, ::-1],
            4: upright[::-1],
            5: upright.T,
            6: np.rot90(upright, 1),
            7: upright[::-1, ::-1].T,
            8: np.rot90(upright, -1),
        }[orientation]
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(np.ascontiguousarray(stored)).save(path, exif=exif)
        result = read_image(path)
        assert result.shape == (48, 32, 3)
        np.testing.assert_allclose(result[8::16, 8::16, 0], upright[8::16, 8::16], atol=2)

    def test_an_opened_image_is_turned_upright_too(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(noise(4, 9)).save(tmp_path / "a.png", exif=exif)
        with Image.open(tmp_path / "a.png") as image:
            assert read_image(image).shape == (9, 4, 3)

    @pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
    @pytest.mark.parametrize(
        ("change", "size"),
        [
            (lambda image: ImageOps.exif_transpose(image), (9, 4)),
            (lambda image: image.transpose(Image.Transpose.ROTATE_270), (9, 4)),
            (lambda image: image.crop((0, 0, 5, 3)), None),
            (lambda image: image.resize((6, 2)), None),
            (lambda image: image.copy(), None),
            (lambda image: image.convert("L"), None),
        ],
    )
    def test_an_image_made_of_an_opened_one_is_taken_as_it_stands(
        self, change: Callable[[Image.Image], Image.Image], size: Any, suffix: str, tmp_path: Path
    ) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(noise(4, 9)).save(tmp_path / f"a.{suffix}", exif=exif)
        with Image.open(tmp_path / f"a.{suffix}") as image:
            changed = change(image)
        read = read_image(changed)
        np.testing.assert_array_equal(read, np.asarray(changed.convert("RGB")))
        if size is not None and suffix != "tif":  # Pillow itself turns a TIFF that it loads.
            np.testing.assert_array_equal(read, read_image(tmp_path / f"a.{suffix}"))

    def test_an_image_turned_in_place_is_not_turned_again(self, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = 6
        Image.fromarray(noise(4, 9)).save(tmp_path / "a.png", exif=exif)
        with Image.open(tmp_path / "a.png") as image:
            ImageOps.exif_transpose(image, in_place=True)
            np.testing.assert_array_equal(read_image(image), read_image(tmp_path / "a.png"))

    @pytest.mark.parametrize("kind", [bytes, bytearray, memoryview, io.BytesIO])
    def test_the_contents_of_a_file(self, kind: Callable[[bytes], Any]) -> None:
        file = io.BytesIO()
        Image.fromarray(noise(5, 7)).save(file, "PNG")
        np.testing.assert_array_equal(read_image(kind(file.getvalue())), noise(5, 7))

    def test_an_open_file_is_read_from_its_beginning_and_left_open(self, tmp_path: Path) -> None:
        Image.fromarray(noise(5, 7)).save(tmp_path / "a.png")
        with (tmp_path / "a.png").open("rb") as file:
            file.seek(9)
            for _ in range(2):
                np.testing.assert_array_equal(read_image(file), noise(5, 7))

    def test_a_view_of_bytes_that_lie_apart(self) -> None:
        file = io.BytesIO()
        Image.fromarray(noise(5, 7)).save(file, "PNG")
        apart = bytes(byte for value in file.getvalue() for byte in (value, 0))
        np.testing.assert_array_equal(read_image(memoryview(apart)[::2]), noise(5, 7))

    def test_a_path_of_bytes(self, tmp_path: Path) -> None:
        class Entry:
            def __fspath__(self) -> bytes:
                return os.fsencode(tmp_path / "a.png")

        Image.fromarray(noise(5, 7)).save(tmp_path / "a.png")
        np.testing.assert_array_equal(read_image(Entry()), noise(5, 7))

    @pytest.mark.parametrize("loaded", [False, True])
    def test_an_image_whose_file_was_closed(self, tmp_path: Path, loaded: bool) -> None:
        Image.fromarray(noise(5, 7)).save(tmp_path / "a.png")
        with Image.open(tmp_path / "a.png") as image:
            if loaded:
                image.load()
        if loaded:
            np.testing.assert_array_equal(read_image(image), noise(5, 7))
        else:
            with pytest.raises(ImageError, match=r"closed before(.|\n)*inside its `with`"):
                read_image(image)

    @pytest.mark.parametrize("mode", ["closed", "wb", "text"])
    def test_a_file_that_gives_no_bytes(self, tmp_path: Path, mode: str) -> None:
        class Text:
            def read(self, size: int = -1) -> str:
                return "text"[:size]

        file: Any = Text() if mode == "text" else (tmp_path / "a.png").open("wb")
        if mode == "closed":
            file.close()
        with pytest.raises(ImageError, match="closed" if mode == "closed" else "reading bytes"):
            read_image(file)
        if mode == "wb":
            file.close()

    def test_a_file_that_cannot_be_wound_back(self) -> None:
        class Pipe(io.BytesIO):
            def seekable(self) -> bool:
                return False

            def seek(self, *_: int) -> int:
                raise io.UnsupportedOperation("seek")

        file = io.BytesIO()
        Image.fromarray(noise(5, 7)).save(file, "PNG")
        np.testing.assert_array_equal(read_image(Pipe(file.getvalue())), noise(5, 7))

    def test_arrays_of_either_order_of_bytes(self) -> None:
        values = np.random.default_rng(0).integers(0, 65536, (4, 5, 3), dtype=np.uint16)
        np.testing.assert_array_equal(read_image(values.astype(">u2")), read_image(values))

    @pytest.mark.parametrize("mode", ["La", "RGBa"])
    def test_other_ways_to_hold_an_alpha(self, mode: str) -> None:
        image = Image.fromarray(np.array([[[40, 40, 40, 255], [80, 80, 80, 0]]], np.uint8))
        image = image.convert("LA").convert(mode) if mode == "La" else image.convert(mode)
        np.testing.assert_array_equal(read_image(image)[0], [[40] * 3, [255] * 3])

    def test_damaged_exif_does_not_cost_the_image(self, tmp_path: Path) -> None:
        Image.fromarray(noise(4, 9)).save(tmp_path / "a.jpg", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff")
        assert read_image(tmp_path / "a.jpg").shape == (4, 9, 3)

    @pytest.mark.parametrize("turns", [(6, 1), (1, 6)])
    def test_an_orientation_that_is_there_twice(self, turns: tuple[int, int], tmp_path: Path) -> None:
        entries = b"".join(struct.pack("<HHIHH", 0x0112, 3, 1, turn, 0) for turn in turns)
        exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
        Image.fromarray(noise(4, 9)).save(tmp_path / "a.jpg", exif=exif)
        with Image.open(tmp_path / "a.jpg") as image:
            upright = ImageOps.exif_transpose(image)
        np.testing.assert_array_equal(read_image(tmp_path / "a.jpg"), np.asarray(upright))

    def test_alpha_lies_over_white(self) -> None:
        rgba = np.array([[[10, 20, 30, 255], [10, 20, 30, 0], [0, 100, 200, 128]]], np.uint8)
        expected = [[10, 20, 30], [255, 255, 255], [127, 177, 227]]
        np.testing.assert_array_equal(read_image(rgba)[0], expected)
        np.testing.assert_array_equal(read_image(Image.fromarray(rgba))[0], expected)

    def test_gray_with_alpha_lies_over_white(self) -> None:
        image = Image.new("LA", (2, 1))
        image.putdata([(40, 255), (40, 0)])
        np.testing.assert_array_equal(read_image(image)[0], [[40] * 3, [255] * 3])

    @pytest.mark.parametrize("mode", ["L", "RGB", "P"])
    def test_a_transparent_color_lies_over_white(self, mode: str, tmp_path: Path) -> None:
        image = Image.new(mode, (2, 1))
        if mode == "P":
            image.putpalette([0, 0, 0, 9, 9, 9])
        image.putpixel((1, 0), (9, 9, 9) if mode == "RGB" else 9 if mode == "L" else 1)
        transparency = (0, 0, 0) if mode == "RGB" else 0
        image.save(tmp_path / "a.png", transparency=transparency)
        np.testing.assert_array_equal(read_image(tmp_path / "a.png")[0], [[255] * 3, [9] * 3])

    def test_palette_gray_and_bits(self, tmp_path: Path, cat: np.ndarray) -> None:
        for mode in ("P", "L", "1"):
            image = Image.fromarray(cat).convert(mode)
            image.save(tmp_path / "a.png")
            np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.asarray(image.convert("RGB")))

    @pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB", "HSV"])
    def test_other_color_spaces_become_rgb(self, mode: str, cat: np.ndarray) -> None:
        if mode == "LAB":
            from PIL import ImageCms

            lab = ImageCms.createProfile("LAB")
            image = ImageCms.profileToProfile(
                Image.fromarray(cat), ImageCms.createProfile("sRGB"), lab, outputMode="LAB"
            )
        else:
            image = Image.fromarray(cat).convert(mode)
        assert image.mode == mode
        difference = np.abs(read_image(image).astype(int) - cat)
        assert difference.mean() < 3

    def test_cmyk_jpeg(self, tmp_path: Path, cat: np.ndarray) -> None:
        Image.fromarray(cat).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
        assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - cat).mean() < 4

    @pytest.mark.parametrize("suffix", ["png", "tif"])
    def test_sixteen_bits_are_scaled_not_clipped(self, suffix: str, tmp_path: Path) -> None:
        values = np.array([[0, 128, 129, 256, 1000, 32768, 65406, 65407, 65535]], np.uint16)
        Image.fromarray(values).save(tmp_path / f"a.{suffix}")
        expected = np.rint(values / 257).astype(np.uint8)
        for source in (tmp_path / f"a.{suffix}", values, Image.fromarray(values.astype(np.int32))):
            np.testing.assert_array_equal(read_image(source), np.stack([expected] * 3, axis=-1))

    def test_sixteen_bit_color_arrays(self) -> None:
        values = np.random.default_rng(0).integers(0, 65536, (4, 5, 3), dtype=np.uint16)
        np.testing.assert_array_equal(read_image(values), np.rint(values / 257))
        opaque = np.concatenate([values, np.full((4, 5, 1), 65535, np.uint16)], axis=2)
        np.testing.assert_array_equal(read_image(opaque), np.rint(values / 257))

    def test_integers_beyond_sixteen_bits_are_refused(self) -> None:
        for values in ([[-1, 5]], [[0, 65536]]):
            with pytest.raises(ImageError, match="beyond 16 bits"):
                read_image(Image.fromarray(np.array(values, np.int32)))

    def test_gray_arrays(self) -> None:
        gray = noise(3, 4)[:, :, 0]
        np.testing.assert_array_equal(read_image(gray), np.stack([gray] * 3, axis=-1))

    def test_arrays_that_are_not_contiguous(self) -> None:
        pixels = noise(6, 8)[::2, ::-1]
        result = read_image(pixels)
        assert result.flags.c_contiguous
        np.testing.assert_array_equal(result, pixels)

    def test_the_first_frame_is_read(self, tmp_path: Path) -> None:
        frames = [Image.new("RGB", (4, 3), color) for color in ("red", "blue")]
        frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:])
        assert read_image(tmp_path / "a.gif")[0, 0].tolist() == [255, 0, 0]

    def test_one_pixel(self) -> None:
        assert read_image(Image.new("RGB", (1, 1), "red")).tolist() == [[[255, 0, 0]]]
