"""Images from files and arrays to RGB bytes, and which ones are refused."""

from __future__ import annotations

import io
import os
import threading
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data
from PIL import Image, ImageFile, ImageOps

from groupvit_runtime.errors import ImageError, UsageError
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


class TestRefusedImages:
    def refused(self, source: Any, *words: str, **options: Any) -> ImageError:
        with pytest.raises(ImageError) as caught:
            read_image(source, **options)
        for word in words:
            assert word in str(caught.value)
        return caught.value

    def test_missing(self, tmp_path: Path) -> None:
        error = self.refused(tmp_path / "gone.png", "gone.png", "nothing", str(Path.cwd()))
        assert error.fix
        assert error.expected

    def test_directory(self, tmp_path: Path) -> None:
        self.refused(tmp_path, str(tmp_path), "a directory")

    def test_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").touch()
        self.refused(tmp_path / "a.png", "a.png", "empty file")

    @pytest.mark.parametrize(
        "content", [b"hello, this is text", b"\x00" * 100, b"\xff\xd8\xff\xe0", b"GIF89a"]
    )
    def test_not_a_image(self, content: bytes, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(content)
        self.refused(tmp_path / "a.png", "a.png", "JPEG, PNG", "image viewer")

    @pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "tif", "webp", "gif"])
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_truncated(self, suffix: str, share: float, tmp_path: Path) -> None:
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(noise(64, 64)).save(path)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        self.refused(path, str(path))

    @pytest.mark.parametrize(
        "suffix",
        ["png", "jpg", "bmp", "tif", "webp", "gif", "avif", "jp2", "ppm", "ico", "tga", "pcx", "qoi", "mpo"],
    )
    def test_damaged_files_are_refused_whatever_the_host_program_set(
        self, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / f"a.{suffix}"
        options = {"sizes": [(64, 64)]} if suffix == "ico" else {"save_all": True} if suffix == "mpo" else {}
        Image.fromarray(noise(64, 64)).save(path, **options)
        whole = path.read_bytes()
        changed: list[str] = []

        class Watched(types.ModuleType):
            def __setattr__(self, name: str, value: object) -> None:
                changed.append(name)
                super().__setattr__(name, value)

        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
        with monkeypatch.context() as patch:
            patch.setattr(ImageFile, "__class__", Watched)
            assert read_image(whole).shape == (64, 64, 3)
            for share in (0.3, 0.6, 0.97):
                path.write_bytes(whole[: int(len(whole) * share)])
                self.refused(path, str(path))
                self.refused(path.read_bytes())
                try:
                    opened = Image.open(path)
                except OSError:
                    continue  # Some formats are decoded when they are opened, and Pillow refuses them itself.
                if opened.format not in (
                    "ICO",
                ):  # An icon is decoded, as the host program wants it, when it is opened.
                    self.refused(opened)
            assert not changed
        assert ImageFile.LOAD_TRUNCATED_IMAGES

    @pytest.mark.parametrize("lenient", [False, True])
    @pytest.mark.parametrize("damage", ["data", "chunk"])
    def test_a_png_damaged_inside(self, damage: str, lenient: bool, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
        file = io.BytesIO()
        # In many chunks of data.
        Image.fromarray(noise(200, 200)).save(file, "PNG")
        content = bytearray(file.getvalue())
        chunk = content.rindex(b"IDAT")
        if damage == "chunk":
            content[chunk : chunk + 4] = b"\0\1\2\3"
        else:
            content[chunk + 1000] ^= 0xFF
        self.refused(bytes(content))

    def test_a_broken_checksum(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        Image.fromarray(noise(64, 64)).save(path)
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 0xFF
        path.write_bytes(content)
        self.refused(path, str(path))

    def test_postscript_is_never_run(self, tmp_path: Path) -> None:
        Image.fromarray(noise(4, 4)).save(tmp_path / "a.eps")
        self.refused(tmp_path / "a.eps", "a.eps")

    def test_a_bomb_is_refused_before_it_is_decoded(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Image.new("1", (5000, 4000)).save(tmp_path / "a.png")

        def explode(*_: object) -> None:
            raise AssertionError("the image was decoded")

        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", explode)
        self.refused(tmp_path / "a.png", "a.png", "20,000,000", "max_pixels", max_pixels=19_999_999)
        self.refused(Image.new("1", (5, 4)), "20 pixels", max_pixels=19)
        self.refused(noise(5, 4), "20 pixels", max_pixels=19)

    def test_the_limit_itself_is_allowed(self) -> None:
        assert read_image(noise(5, 4), max_pixels=20).shape == (5, 4, 3)

    @pytest.mark.parametrize("suffix", ["png", "tif", "jpg", "gif", "bmp"])
    def test_pillows_own_limit(self, suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / f"a.{suffix}"
        Image.new("L", (30, 10)).save(path)
        # A lower one of the host program holds where nothing is asked for; it neither warns nor hinders.
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
        self.refused(path, path.name, "too large", "at most 200", "--max-pixels")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert read_image(path, max_pixels=300).shape == (10, 30, 3)
            monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
            assert read_image(path).shape == (10, 30, 3)

    @pytest.mark.parametrize("limit", [0, -1])
    def test_a_limit_that_allows_nothing(self, limit: int) -> None:
        with pytest.raises(UsageError, match="at least 1"):
            read_image(noise(2, 2), max_pixels=limit)

    def test_no_memory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        Image.fromarray(noise(4, 4)).save(tmp_path / "a.png")

        def exhausted(*_: object) -> None:
            raise MemoryError

        monkeypatch.setattr("PIL.ImageFile.ImageFile.load", exhausted)
        self.refused(tmp_path / "a.png", "a.png", "does not fit into the memory", "--max-pixels")

    def test_globals_are_left_alone(self, tmp_path: Path) -> None:
        Image.new("1", (30, 10)).save(tmp_path / "a.png")
        before = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
        seen: list[int | None] = []

        def read() -> None:
            read_image(tmp_path / "a.png")
            seen.append(Image.MAX_IMAGE_PIXELS)

        threads = [threading.Thread(target=read) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert seen == [before[0]] * 8
        assert list(warnings.filters) == before[1]

    def test_float_images(self, tmp_path: Path) -> None:
        Image.new("F", (3, 2), 0.5).save(tmp_path / "a.tif")
        self.refused(tmp_path / "a.tif", "a.tif", "floating-point", "0-255")

    def test_unreadable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        Image.fromarray(noise(4, 4)).save(tmp_path / "a.png")

        # The tests may run as root, whom no permission stops.
        def denied(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", denied)
        self.refused(tmp_path / "a.png", "a.png", "may not be read")

    @pytest.mark.parametrize(
        ("array", "word"),
        [
            (np.zeros(4, np.uint8), "[4]"),
            (np.zeros((2, 5, 7), np.uint8), "[2, 5, 7]"),
            (np.zeros((4, 4), complex), "complex"),
            (np.zeros((0, 4, 3), np.uint8), "no pixels"),
            (np.zeros((4, 0), np.uint16), "no pixels"),
        ],
    )
    def test_arrays(self, array: np.ndarray, word: str) -> None:
        self.refused(array, word)

    @pytest.mark.parametrize(
        ("array", "fix"),
        [
            (np.ones((4, 5, 3), np.float32), "(array * 255).round().clip(0, 255).astype(numpy.uint8)"),
            (np.ones((4, 5, 3), np.int64), "array.astype(numpy.uint8)"),
            (np.ones((4, 5, 3), ">u4"), "array.astype(numpy.uint16)"),
            (np.ones((4, 5), bool), "array.astype(numpy.uint8) * 255"),
            (np.ones((3, 4, 5), np.uint8), "array.transpose(1, 2, 0)"),
            (np.ones((4, 5, 1), np.uint8), "array[:, :, 0]"),
            (np.ones((4, 5, 2), np.uint16), "array[:, :, [0, 0, 0, 1]]"),
            (np.ones((1, 4, 5), np.uint8), "array[0]"),
            (np.ones((1, 4, 5, 3), np.uint8), "array[0]"),
        ],
    )
    def test_the_fix_for_an_array_mends_it(self, array: np.ndarray, fix: str) -> None:
        assert fix in self.refused(array, str(list(array.shape))).fix
        assert read_image(eval(fix, {"array": array, "numpy": np})).shape == (4, 5, 3)

    def test_the_fix_for_a_batch(self) -> None:
        assert self.refused(np.ones((2, 4, 5, 3), np.uint8)).fix.endswith("list(array)")

    def test_zero_sized_image(self) -> None:
        self.refused(Image.new("RGB", (0, 4)), "no pixels")

    def test_other_types(self) -> None:
        self.refused(b"\x89PNG", "the image of bytes", "cannot be read")
        self.refused(b"", "0 bytes")
        self.refused(None, "NoneType", "numpy.asarray")
        self.refused([[0, 1]], "list", "numpy.array")
        self.refused(memoryview(noise(4, 4)), "memoryview", "numpy.asarray")
        self.refused(io.StringIO("text"), "StringIO", '"rb"')

    def test_a_name_that_cannot_be(self) -> None:
        self.refused("a" * 300 + ".png", "check the path")
        self.refused("a\0.png", "check the path")

    def test_heic(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64))
        self.refused(tmp_path / "a.jpg", "HEIC", "JPEG or PNG")
