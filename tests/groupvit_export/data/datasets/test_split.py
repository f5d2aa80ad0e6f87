"""The file that lists the images of a split."""

from __future__ import annotations

from pathlib import Path

import pytest
from dataset_support import (
    MASK,
    NONE,
    refused,
    write_voc2012,
)

from groupvit_export.data.datasets import load_dataset


class TestSplitFile:
    @staticmethod
    def write(root: Path, content: bytes) -> Path:
        write_voc2012(root, {"a": MASK})
        path = root / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt"
        path.write_bytes(content)
        return path

    @pytest.mark.parametrize(
        "content",
        [b"a\nb", b"a\nb\n", b"a\r\nb\r\n", b"\n a  \n\n\t\nb\n\n", b"\xef\xbb\xbfa\nb\n", b"a\rb\r"],
    )
    def test_white_space_does_not_count(self, content: bytes, tmp_path: Path) -> None:
        self.write(tmp_path, content)
        dataset = load_dataset("voc2012", tmp_path, NONE)
        assert [sample.key for sample in dataset.samples] == ["a", "b"]

    @pytest.mark.parametrize(
        "line", ["/JPEGImages/a.jpg", "..\\a", "../a", "a -1", "a\0b", "/JPEGImages/a.jpg /Mask/a.png"]
    )
    def test_other_lines_are_refused(self, line: str, tmp_path: Path) -> None:
        path = self.write(tmp_path, f"b\n\n{line}\n".encode())
        refused("voc2012", tmp_path, says=f"{path}, line 3: {line!r}")

    def test_a_name_twice(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, b"a\nb\n\na \n")
        refused("voc2012", tmp_path, says=f"{path}, lines 1 and 4: a")

    @pytest.mark.parametrize("content", [b"", b"\n \n"])
    def test_nothing_in_it(self, content: bytes, tmp_path: Path) -> None:
        path = self.write(tmp_path, content)
        assert "lists no image" in refused("voc2012", tmp_path, says=path).what

    def test_no_text(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, b"\xff\xd8\xff")
        assert "UTF-8" in str(refused("voc2012", tmp_path, says=path).expected)
