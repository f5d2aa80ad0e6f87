"""Masks on disk against the arrays they were made from."""

from __future__ import annotations

import io
import struct
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import refusals
from dataset_support import mask_image, write_mask
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_numpy
from PIL import Image, ImageOps

from groupvit_export.data.dataset import IGNORE, Dataset, Sample
from groupvit_export.data.datasets.values import value_table
from groupvit_export.data.orientation import exif_orientation
from groupvit_export.data.truth import TruthError, read_pair, read_truth

HIGHEST_VALUE = {"1": 1, "P": 255, "L": 255, "I;16": 65535}


def dataset(classes: dict[int, int], ignored: tuple[int, ...] = (255,)) -> Dataset:
    count = max(classes.values(), default=0) + 1
    return Dataset(
        name="made-up",
        root=Path(),
        classes=tuple(f"class {index}" for index in range(count)),
        background=False,
        background_threshold=None,
        class_of_value=value_table(classes, ignored),
        samples=(),
    )


THREE = dataset({0: 0, 1: 1, 2: 2})


def read(path: Path, size: tuple[int, int], of: Dataset = THREE) -> np.ndarray:
    return read_truth(Sample("a", path.with_suffix(".jpg"), path), of, size)


def refused(path: Path, size: tuple[int, int], of: Dataset = THREE) -> TruthError:
    error = refusals.refused(TruthError, lambda: read(path, size, of))
    assert str(path) in error.what
    return error


def png(depth: int, color_type: int, rows: list[bytes], width: int, palette: bytes = b"") -> bytes:
    """A PNG by the standard's own definition, for kinds that Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, len(rows), depth, color_type, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + (chunk(b"PLTE", palette) if palette else b"")
        + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
        + chunk(b"IEND", b"")
    )


class TestValues:
    @settings(max_examples=60)
    @given(st.data(), st.sampled_from(sorted(HIGHEST_VALUE)))
    def test_every_kind_of_mask_comes_back_through_the_table(self, data: st.DataObject, mode: str) -> None:
        highest = HIGHEST_VALUE[mode]
        shape = data.draw(st_numpy.array_shapes(min_dims=2, max_dims=2, max_side=9))
        values = data.draw(st_numpy.arrays(np.uint16, shape, elements=st.integers(0, highest)))
        ignored = data.draw(st.sets(st.sampled_from(np.unique(values).tolist())))
        classes = {
            value: data.draw(st.integers(0, 300))
            for value in np.unique(values).tolist()
            if value not in ignored
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.png"
            write_mask(path, values, mode)
            with Image.open(path) as image:
                assert image.mode == mode
            truth = read(path, values.shape, dataset(classes, tuple(ignored)))
        assert truth.dtype == np.uint16
        assert truth.flags.c_contiguous
        expected = [IGNORE if value in ignored else classes[value] for value in values.ravel().tolist()]
        assert truth.ravel().tolist() == expected
        assert truth.shape == values.shape

    def test_the_border_of_a_palette_mask_is_ignored(self, tmp_path: Path) -> None:
        values = np.array([[255, 255, 255], [255, 2, 1], [255, 255, 0]])
        write_mask(tmp_path / "a.png", values, "P")
        with Image.open(tmp_path / "a.png") as image:
            # A palette of other colors than the indices, as VOC's.
            assert image.convert("RGB").getpixel((1, 1)) == (22, 59, 96)
        expected = [[IGNORE] * 3, [IGNORE, 2, 1], [IGNORE, IGNORE, 0]]
        assert read(tmp_path / "a.png", (3, 3)).tolist() == expected

    @pytest.mark.parametrize("bits", [1, 2, 4])
    def test_small_palettes_hold_indices_too(self, bits: int, tmp_path: Path) -> None:
        values = np.arange(8).reshape(2, 4) % (1 << bits)
        image = Image.fromarray(values.astype(np.uint8))
        image.putpalette([9, 8, 7] * (1 << bits))
        image.save(tmp_path / "a.png", bits=bits)
        assert (tmp_path / "a.png").read_bytes()[24:26] == bytes([bits, 3])
        every = dataset({value: value for value in range(16)})
        np.testing.assert_array_equal(read(tmp_path / "a.png", (2, 4), every), values)

    def test_values_of_sixteen_bits_are_not_scaled(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(png(16, 0, [struct.pack(">4H", 0, 255, 256, 65535)], 4))
        of = dataset({0: 3, 256: 1, 65535: 0}, (255,))
        assert read(tmp_path / "a.png", (1, 4), of).tolist() == [[3, IGNORE, 1, 0]]

    def test_transparency_does_not_change_values(self, tmp_path: Path) -> None:
        values = np.array([[0, 1, 2]])
        for mode in ("P", "L"):
            mask_image(values, mode).save(tmp_path / f"{mode}.png", transparency=1)
            np.testing.assert_array_equal(read(tmp_path / f"{mode}.png", (1, 3)), values)

    def test_exif_does_not_turn_a_mask(self, tmp_path: Path) -> None:
        values = np.array([[0, 1, 2], [2, 2, 1]])
        exif = Image.Exif()
        exif[0x0112] = 6
        mask_image(values).save(tmp_path / "a.png", exif=exif)
        np.testing.assert_array_equal(read(tmp_path / "a.png", (2, 3)), values)

    def test_the_table_is_not_written_to(self, tmp_path: Path) -> None:
        write_mask(tmp_path / "a.png", np.array([[0, 1]]))
        truth = read(tmp_path / "a.png", (1, 2))
        truth[:] = 7
        assert THREE.class_of_value[:2].tolist() == [0, 1]
        with pytest.raises(ValueError, match="read-only"):
            THREE.class_of_value[0] = 7


class TestIllegalValues:
    def test_they_are_listed_with_counts_and_places(self, tmp_path: Path) -> None:
        values = np.array([[0, 9, 1], [9, 2, 255], [7, 9, 0]])
        write_mask(tmp_path / "a.png", values)
        error = refused(tmp_path / "a.png", (3, 3))
        assert error.got == (
            "7 (1 pixels, the first at row 2, column 0), 9 (3 pixels, the first at row 0, column 1)"
        )
        assert error.expected == "0 to 2, 255"
        assert "made-up" in error.what

    def test_eight_at_most(self, tmp_path: Path) -> None:
        write_mask(tmp_path / "a.png", np.arange(3, 14)[None])
        error = refused(tmp_path / "a.png", (1, 11))
        assert "10 (1 pixels" in str(error.got)
        assert "11 (1" not in str(error.got)
        assert str(error.got).endswith(" and 3 more values")

    def test_of_exactly_eight_none_is_left_out(self, tmp_path: Path) -> None:
        write_mask(tmp_path / "a.png", np.arange(3, 11)[None])
        assert "more" not in str(refused(tmp_path / "a.png", (1, 8)).got)

    def test_legal_values_are_said_in_runs(self, tmp_path: Path) -> None:
        write_mask(tmp_path / "a.png", np.array([[9]]))
        gaps = dataset({0: 0, 2: 0, 3: 0, 4: 0, 7: 0}, (5, 65535))
        assert refused(tmp_path / "a.png", (1, 1), gaps).expected == "0, 2 to 5, 7, 65535"

    def test_sixteen_bits(self, tmp_path: Path) -> None:
        write_mask(tmp_path / "a.png", np.array([[0, 65534]]), "I;16")
        assert "65534 (1 pixels" in str(refused(tmp_path / "a.png", (1, 2)).got)


class TestRefused:
    def test_missing(self, tmp_path: Path) -> None:
        assert refused(tmp_path / "a.png", (1, 1)).got == "nothing"

    def test_a_directory(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").mkdir()
        assert refused(tmp_path / "a.png", (1, 1)).got == "a directory"

    def test_an_empty_file(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").touch()
        assert refused(tmp_path / "a.png", (1, 1)).got == "an empty file"

    def test_a_name_that_the_file_system_refuses(self, tmp_path: Path) -> None:
        assert "File name too long" in str(refused(tmp_path / f"{'a' * 300}.png", (1, 1)).got)

    def test_a_file_that_may_not_be_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        write_mask(tmp_path / "a.png", np.array([[0]]))

        # Tests may run as root, who may read everything.
        def denied(*_: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", denied)
        assert refused(tmp_path / "a.png", (1, 1)).got == "Permission denied"

    def test_another_format(self, tmp_path: Path) -> None:
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "a.png", format="JPEG")
        error = refused(tmp_path / "a.png", (8, 8))
        assert "not a PNG file" in str(error.got)
        assert error.expected == "a whole PNG file"

    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA"])
    def test_several_channels(self, mode: str, tmp_path: Path) -> None:
        Image.new(mode, (3, 2)).save(tmp_path / "a.png")
        error = refused(tmp_path / "a.png", (2, 3))
        assert "color stands for" in error.what
        assert mode in str(error.got)

    @pytest.mark.parametrize("bits", [2, 4])
    def test_gray_that_decoders_scale(self, bits: int, tmp_path: Path) -> None:
        (tmp_path / "a.png").write_bytes(png(bits, 0, [b"\x1b"], 8 // bits))
        assert f"gray of {bits} bits" in refused(tmp_path / "a.png", (1, 8 // bits)).what

    def test_another_size(self, tmp_path: Path) -> None:
        write_mask(tmp_path / "a.png", np.zeros((4, 6)))
        error = refused(tmp_path / "a.png", (4, 7))
        assert (error.got, error.expected) == ("6 x 4", "7 x 4 (width x height)")
        assert "EXIF" not in str(error.fix)

    def test_a_image_turned_by_exif(self, tmp_path: Path) -> None:
        write_mask(tmp_path / "a.png", np.zeros((4, 6)))
        assert "EXIF" in str(refused(tmp_path / "a.png", (6, 4)).fix)

    def test_a_decompression_bomb_is_not_decoded(self, tmp_path: Path) -> None:
        bomb = bytearray(png(8, 0, [b"\0"], 1))
        bomb[16:24] = struct.pack(">II", 40_000, 40_000)
        bomb[29:33] = struct.pack(">I", zlib.crc32(bomb[12:29]))
        (tmp_path / "a.png").write_bytes(bomb)
        assert "DecompressionBombError" in str(refused(tmp_path / "a.png", (40_000, 40_000)).got)

    def test_a_large_header_of_a_small_image_is_not_decoded(self, tmp_path: Path) -> None:
        large = bytearray(png(8, 0, [b"\0"], 1))
        large[16:24] = struct.pack(">II", 9_000, 9_000)
        large[29:33] = struct.pack(">I", zlib.crc32(large[12:29]))
        (tmp_path / "a.png").write_bytes(large)
        assert "size of its image" in refused(tmp_path / "a.png", (1, 1)).what


@pytest.fixture(scope="module")
def whole() -> tuple[bytes, np.ndarray]:
    """A mask as a file's contents, and its values."""
    values = np.random.default_rng(0).integers(0, 3, (30, 40))
    buffer = io.BytesIO()
    mask_image(values).save(buffer, format="PNG")
    return buffer.getvalue(), values


class TestDamage:
    @settings(max_examples=80)
    @given(st.data())
    def test_what_was_cut_off_is_noticed(self, whole: tuple[bytes, np.ndarray], data: st.DataObject) -> None:
        encoded, values = whole
        kept = data.draw(st.integers(1, len(encoded) - 5))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.png"
            path.write_bytes(encoded[:kept])
            refused(path, values.shape)

    @settings(max_examples=150)
    @given(st.data())
    def test_a_changed_byte_never_gives_other_values(
        self, whole: tuple[bytes, np.ndarray], data: st.DataObject
    ) -> None:
        encoded, values = whole
        position = data.draw(st.integers(0, len(encoded) - 1))
        damaged = bytearray(encoded)
        damaged[position] ^= data.draw(st.integers(1, 255))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "a.png"
            path.write_bytes(damaged)
            try:
                truth = read(path, values.shape)
            except TruthError as error:
                assert str(path) in error.what
            else:
                # Only the checksum of the end marker is not looked at.
                np.testing.assert_array_equal(truth, values)

    def test_the_checksum_of_the_pixels_is_verified(self, tmp_path: Path) -> None:
        """Other values that still decode: only the chunk's checksum can tell."""
        good, other = (png(8, 0, [bytes([value, 0, 1, 2])], 4) for value in (0, 1))
        assert len(good) == len(other)
        forged = other[:-16] + good[-16:-12] + other[-12:]
        (tmp_path / "a.png").write_bytes(forged)
        with Image.open(tmp_path / "a.png") as image:
            assert np.asarray(image).tolist() == [[1, 0, 1, 2]]
        refused(tmp_path / "a.png", (1, 4))


def test_the_sample_may_belong_to_any_data_set_with_a_table(tmp_path: Path) -> None:
    write_mask(tmp_path / "a.png", np.array([[5, 6]]))
    merged = replace(THREE, class_of_value=value_table({5: 1, 6: 1}, ()))
    assert read(tmp_path / "a.png", (1, 2), merged).tolist() == [[1, 1]]


class TestOrientation:
    """Masks beside images that are to be turned; the oracle is Pillow's own turning."""

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_raw_masks_are_turned_as_their_images_are(self, orientation: int, tmp_path: Path) -> None:
        values = np.arange(6, dtype=np.uint8).reshape(2, 3) % 3
        sample = oriented(tmp_path, values, orientation)
        raw = read_pair(sample, replace(THREE, raw_masks=True))
        stored = Image.open(sample.image)
        assert raw.truth.tolist() == (np.asarray(ImageOps.exif_transpose(stored))[..., 0] // 100).tolist()
        assert raw.turned == (orientation != 1)
        assert raw.truth.flags.c_contiguous

    def test_otherwise_they_are_upright(self, tmp_path: Path) -> None:
        values = np.array([[0, 1], [2, 0]], np.uint8)
        pair = read_pair(oriented(tmp_path, values, 6), THREE)
        assert pair.truth.tolist() == values.tolist() and pair.turned

    def test_an_oblong_mask_tells_what_is_wrong(self, tmp_path: Path) -> None:
        sample = oriented(tmp_path, np.zeros((2, 3), np.uint8), 6)
        assert "--raw-masks" not in str(refused_pair(sample, THREE).fix)
        assert "--raw-masks" in str(refused_pair(sample, replace(THREE, adjustable=True)).fix)
        upright = Sample("b", sample.image, tmp_path / "upright.png")
        write_mask(upright.mask, np.zeros((3, 2), np.uint8))
        assert "leave --raw-masks out" in str(refused_pair(upright, replace(THREE, raw_masks=True)).fix)

    @pytest.mark.parametrize("tag", [0, 9, 65535])
    def test_an_orientation_without_a_meaning(self, tag: int, tmp_path: Path) -> None:
        exif = Image.Exif()
        exif[0x0112] = tag
        path = tmp_path / "a.png"
        Image.new("RGB", (2, 2)).save(path, exif=exif)
        assert exif_orientation(path) == 1

    def test_a_file_without_metadata(self, tmp_path: Path) -> None:
        Image.new("L", (2, 2)).save(tmp_path / "a.bmp")
        assert exif_orientation(tmp_path / "a.bmp") == 1


def oriented(folder: Path, values: np.ndarray, orientation: int) -> Sample:
    """An image whose red channel is a hundred times its mask, both as they are stored."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    rgb = np.zeros((*values.shape, 3), np.uint8)
    rgb[..., 0] = 100 * values
    sample = Sample("a", folder / "a.tif", folder / "a.png")
    Image.fromarray(rgb).save(sample.image, exif=exif)
    write_mask(sample.mask, values)
    return sample


def refused_pair(sample: Sample, of: Dataset) -> TruthError:
    return refusals.refused(TruthError, lambda: read_pair(sample, of))
