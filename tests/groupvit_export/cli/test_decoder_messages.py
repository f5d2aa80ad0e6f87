"""What a decoder finds wrong goes into our own words, and never to the terminal as it is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import tifffile
from image_seeds import written

from groupvit_export.cli.decoder_messages import read_with_notes


@pytest.mark.parametrize("quiet", [False, True])
def test_it_is_a_note_where_the_image_was_read(
    quiet: bool, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path, data = tmp_path / "a.tif", bytearray(written("RGB", "TIFF", compression="tiff_lzw", dpi=(72, 72)))
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        data[file.pages[0].tags["ResolutionUnit"].valueoffset] = 77
    path.write_bytes(data)
    read_with_notes(path, max_pixels=None, quiet=quiet)
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == (0 if quiet else 1)
    assert all(line.startswith(f"groupvit: note: {path} was read") and "Unit" in line for line in lines)
