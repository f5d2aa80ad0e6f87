"""Which images are refused, and how."""

from __future__ import annotations

import io
import threading
import types
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile

from groupvit_runtime.errors import ImageError, UsageError
from groupvit_runtime.read_image import read_image


def noise(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


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
