"""What decoders print goes into our own words, and never to the terminal as it is."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from image_seeds import sound_images

from groupvit_export.cli.decoder_messages import read_quietly
from groupvit_runtime.errors import ImageError
from groupvit_runtime.read_image import read_image


def damaged(name: str, word: str, path: Path, capfd: pytest.CaptureFixture[str]) -> bool:
    """Write an image of which libtiff says `word`; whether it is read all the same."""
    data = sound_images()[name]
    for place in range(len(data) // 3, len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 255]) + data[place + 1 :])
        try:
            read_image(path)
            is_read = True
        except ImageError:
            is_read = False
        if word in capfd.readouterr().err:
            return is_read
    raise AssertionError(f"libtiff never says {word}")


def test_it_is_part_of_the_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.tif"
    assert not damaged("tiff_lzw-RGB.tif", "LZWDecode", path, capfd)
    with pytest.raises(ImageError, match="the decoder said: .*LZWDecode"):
        read_quietly(path, max_pixels=None, quiet=False)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("quiet", [False, True])
def test_it_is_a_note_where_the_image_was_read(
    quiet: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.tif"
    assert damaged("group4.tif", "Bad code word", path, capfd)
    read_quietly(path, max_pixels=None, quiet=quiet)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == (0 if quiet else 1)
    assert all(line.startswith(f"groupvit: note: {path} was read") and "Bad code" in line for line in lines)


def test_afterwards_standard_error_is_the_terminal_again(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.png").write_bytes(sound_images()["RGB.png"])
    found = read_quietly(tmp_path / "a.png", max_pixels=None, quiet=False)
    np.testing.assert_array_equal(found, read_image(tmp_path / "a.png"))
    os.write(2, b"heard\n")
    assert capfd.readouterr().err == "heard\n"


def test_no_standard_error_at_all(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.png").write_bytes(sound_images()["RGB.png"])
    kept = os.dup(2)
    os.close(2)
    try:
        assert read_quietly(tmp_path / "a.png", max_pixels=None, quiet=False).shape == (45, 61, 3)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
