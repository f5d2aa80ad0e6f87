"""What is looked at inside an OpenVINO file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from groupvit_export.errors import ExportError
from groupvit_export.targets.registry import target_of_engine
from groupvit_runtime.manifest import read_manifest


@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_what_the_system_refuses_is_told_as_the_systems(
    demo_bundles: Mapping[str, Path], tmp_path: Path, suffix: str
) -> None:
    """OpenVINO has an error of its own for all of it, which does not say why."""
    info = read_manifest(demo_bundles["openvino"]).engine("image")
    for file in info.files:
        if not file.path.endswith(suffix):
            (tmp_path / file.path).write_bytes(file.read(demo_bundles["openvino"]))
    target = target_of_engine("openvino")
    with pytest.raises(FileNotFoundError):
        target.cut_op(info, tmp_path, 1, tmp_path)
    with pytest.raises(FileNotFoundError):
        target.mark_values(tmp_path / info.files[0].path, {})


def test_a_part_that_cannot_be_written_is_an_error_with_a_fix(
    demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    bundle = demo_bundles["openvino"]
    # Where the file would be: a folder can be written into, and this file not.
    (tmp_path / "grouping_1.xml").mkdir()
    with pytest.raises(ExportError, match="could not write the engine"):
        target_of_engine("openvino").cut_op(read_manifest(bundle).engine("image"), bundle, 1, tmp_path)
