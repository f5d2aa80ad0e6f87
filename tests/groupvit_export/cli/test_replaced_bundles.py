"""Commands that read a bundle while another takes its place: each works on the one or on the other, whole."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from groupvit_export.cli import main
from groupvit_runtime import open_bundle as opening
from groupvit_runtime.errors import BundleError
from groupvit_runtime.files import staged_folder
from groupvit_runtime.manifest import FileInfo

REAL = opening._opened


@pytest.mark.slow
@pytest.mark.parametrize(
    "command",
    [
        ("inspect", "{}"),
        ("vocab", "{}", "--labels", "sky,tree", "--add", "words"),
        ("verify", "{}", "--limit", "1", "--quiet"),
    ],
    ids=lambda command: command[0],
)
def test_once_its_manifest_was_read(
    command: Sequence[str], demo_bundles: Mapping[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle, opened = tmp_path / "b", list[Any]()
    shutil.copytree(demo_bundles["onnx"], bundle)

    def replaced(*given: Any) -> Any:
        found = REAL(*given)
        if not opened:
            with staged_folder(bundle, force=True) as stage:
                shutil.copytree(demo_bundles["openvino"], stage, dirs_exist_ok=True)
        opened.append(found)
        return found

    monkeypatch.setattr(opening, "_opened", replaced)
    assert main([part.format(bundle) for part in command]) == 0
    assert [found.manifest.engine("image").target for found in opened][:2] == ["onnx", "openvino"]


@pytest.mark.parametrize("looks", [1, 2])
def test_between_two_looks_at_a_file(looks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is missing then, which is told as that, not as the system does."""
    real, file, counted = Path.stat, tmp_path / "image.onnx", itertools.count(1)
    file.write_bytes(b"an engine")
    info = FileInfo.of(tmp_path, file.name)

    def stat(path: Path, **options: Any) -> Any:
        found = real(path, **options)
        if path == file and next(counted) == looks:
            path.unlink()
        return found

    monkeypatch.setattr(Path, "stat", stat)
    with pytest.raises(BundleError):
        info.verify(tmp_path)
    assert not file.exists()
