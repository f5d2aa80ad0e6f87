"""What decoders find wrong is in our errors: nothing is printed, and the program around sees no change."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator

import numpy as np
import pytest
import tifffile
from image_seeds import scene, sound_images, written
from PIL import Image

from groupvit_runtime.errors import ImageError
from groupvit_runtime.libtiff_messages import gathered
from groupvit_runtime.read_image import read_image


@pytest.fixture(autouse=True)
def silent(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield
    assert capfd.readouterr().err == ""


def with_tag(data: bytes, tag: int, value: int) -> bytes:
    """A TIFF with another value of a tag that has one of 16 bits."""
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        found, order = file.pages[0].tags[tag], file.byteorder
    return data[: found.valueoffset] + struct.pack(f"{order}H", value) + data[found.valueoffset + 2 :]


def spoiled(name: str) -> Iterator[bytes]:
    """A TIFF with a byte of its pixels changed, each in turn."""
    data = sound_images()[name]
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        start, length = page.dataoffsets[0], page.databytecounts[0]
    for place in range(start, start + length, max(length // 100, 1)):
        yield data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("tiff_lzw-RGB.tif", "LZWDecode"),
        ("zstd-RGB.tif", "ZSTDDecode"),
        ("jpeg-RGB.tif", "JPEGLib"),
        ("group3.tif", "Bad code word"),
        # libtiff steps over these, and gives other pixels.
        ("group4.tif", "Bad code word"),
        ("tiff_ccitt.tif", "Bad code word"),
    ],
)
def test_libtiff_is_quoted(name: str, says: str) -> None:
    found = set()
    for data in spoiled(name):
        try:
            read_image(data)
        except ImageError as error:
            found.add(says in str(error))
    assert True in found


def test_tags_that_say_nothing_of_the_pixels_do_not_matter() -> None:
    data = written("RGB", "TIFF", compression="tiff_lzw", dpi=(72, 72))
    changed = with_tag(data, 296, 32767)
    with gathered() as said:
        np.testing.assert_array_equal(read_image(changed), scene())
    assert any("ResolutionUnit" in line for line in said)


def test_too_many_samples() -> None:
    with pytest.raises(ImageError, match="255 samples a pixel"):
        read_image(with_tag(sound_images()["packbits-RGB.tif"], 277, 255))


def with_tag_twice(data: bytes, tag: int, first: int, second: int) -> bytes:
    """A classic TIFF in little-endian order with two entries of a tag, in a new directory at its end."""
    (place,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, place)
    entries = [data[at : at + 12] for at in range(place + 2, place + 2 + 12 * count, 12)]
    at = [struct.unpack_from("<H", entry)[0] for entry in entries].index(tag)
    entries[at : at + 1] = [struct.pack("<HHII", tag, 4, 1, value) for value in (first, second)]
    directory = struct.pack("<H", count + 1) + b"".join(entries) + bytes(4)
    return data[:4] + struct.pack("<I", len(data)) + data[8:] + directory


@pytest.mark.parametrize(("first", "second"), [(255, 3), (3, 255)])
def test_a_tag_that_is_there_twice(first: int, second: int) -> None:
    """Pillow takes the first, and logs an error on the terminal where it cannot be."""
    data = sound_images()["raw-RGB.tif"]
    np.testing.assert_array_equal(read_image(with_tag_twice(data, 277, 3, 3)), read_image(data))
    with pytest.raises(ImageError, match="tag 277 is there twice"):
        read_image(with_tag_twice(data, 277, first, second))


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_large_tiff_in_either_order(order: str) -> None:
    """Pillow reads the directory of a big-endian one from elsewhere; what it finds there nobody checked."""
    written = io.BytesIO()
    tifffile.imwrite(written, scene(), bigtiff=True, byteorder=order, photometric="rgb")
    if order == "<":
        np.testing.assert_array_equal(read_image(written.getvalue()), scene())
        return
    with pytest.raises(ImageError, match="BigTIFF"):
        read_image(written.getvalue())


@pytest.mark.parametrize("head", [b"II\0*", b"MM*\0"])
def test_a_tiff_whose_number_is_in_the_other_order(head: bytes) -> None:
    data = sound_images()["raw-RGB.tif" if head[:2] == b"II" else "tifffile-8-byteorder=>.tif"]
    changed = head + data[4:]
    with Image.open(io.BytesIO(changed)) as opened:
        np.testing.assert_array_equal(read_image(changed), np.asarray(opened))
    for length in (5, 8, 12, 40):
        with pytest.raises(ImageError):
            read_image(changed[:length])


def test_an_icon_of_another_size_than_its_entry_says() -> None:
    data = bytearray(written("RGB", "ICO", sizes=[(45, 45)], bitmap_format="bmp"))
    right = read_image(bytes(data))
    data[6:8] = (44, 44)
    np.testing.assert_array_equal(read_image(bytes(data)), right)


def test_a_gif_of_an_image_outside_its_screen() -> None:
    data = bytearray(sound_images()["RGB-0.gif"])
    at = data.index(b",", 13 + (3 << (data[10] & 7) + 1))
    (x,) = struct.unpack_from("<H", data, at + 1)
    struct.pack_into("<H", data, at + 1, x + 1)
    assert read_image(bytes(data)).shape[1] == scene().shape[1] + 1
    struct.pack_into("<4H", data, at + 1, 40000, 4000, *scene().shape[1::-1])
    with pytest.raises(ImageError, match="outside the screen"):
        read_image(bytes(data))


def test_the_program_around_hears_libtiff_as_before(capfd: pytest.CaptureFixture[str]) -> None:
    data = with_tag(written("RGB", "TIFF", compression="tiff_lzw", dpi=(72, 72)), 296, 32767)
    read_image(data)
    assert capfd.readouterr().err == ""
    Image.open(io.BytesIO(data)).load()
    assert "ResolutionUnit" in capfd.readouterr().err
