"""`groupvit bulk`, as far as it goes without Ray."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from groupvit_export.cli import main


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "one of --labels, --labels-file, --vocab"),
        (("--labels", "a", "--vocab", "pets"), "--vocab is not allowed with --labels"),
        (("--labels", "a", "--actors", "0"), "--actors must be positive"),
        (("--labels", "a", "--batch-size", "-1"), "--batch-size must be positive"),
        (("--labels", "a", "--gpus", "-0.5"), "--gpus must not be negative"),
        (("--labels", "a", "--input-format", "zip"), "images or parquet or webdataset"),
        (("--labels", "a", "--label-maps", "jpeg"), "png or rle or files"),
        (("--labels", "a", "--threshold", "2"), "0 to 1"),
    ],
)
def test_mistakes_are_refused_before_anything_is_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], message: str
) -> None:
    output = tmp_path / "out"
    assert main(["bulk", "/no/bundle", "/no/images", str(output), *options]) == 2
    assert message in capsys.readouterr().err
    assert not output.exists()


def test_without_ray_the_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["bulk", "/no/bundle", str(tmp_path), str(tmp_path / "out"), "--labels", "lake"]) == 1
    error = capsys.readouterr().err
    assert "bulk runs need Ray Data" in error and "'.[ray]'" in error and "Traceback" not in error
    assert list(tmp_path.iterdir()) == []
