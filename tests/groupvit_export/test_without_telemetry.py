"""Exporting and `groupvit doctor` ask no network and leave no file but the bundle."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from observed import Observed, observe

# PyTorch makes it, empty, when its compiler is imported.
_INDUCTOR = "tmp/torchinductor_user"


def _groupvit(folder: Path, *arguments: str | Path) -> Observed:
    return observe(folder, sys.executable, "-m", "groupvit_export.cli", *arguments)


@pytest.mark.slow
def test_doctor_asks_no_network_and_leaves_no_file(tmp_path: Path) -> None:
    seen = _groupvit(tmp_path / "seen", "doctor")
    assert (seen.status, seen.sockets, seen.written) == (0, (), ()), seen
    assert seen.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize("target", ["onnx", "openvino", "torch", "trt"])
def test_exporting_asks_no_network_and_leaves_the_bundle_only(tmp_path: Path, target: str) -> None:
    if target == "trt":
        pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    options = ("--target", target, "--precision", "fp32")
    seen = _groupvit(tmp_path / "seen", "export", *options, "-o", tmp_path / "bundle")
    assert (seen.status, seen.sockets) == (0, ()), seen
    assert set(seen.written) <= {_INDUCTOR}


@pytest.mark.slow
def test_quantizing_asks_no_network_and_leaves_the_bundle_only(tmp_path: Path, few_scenes: Path) -> None:
    # NNCF, and ONNX Runtime for the sensitivities.
    options = ("--target", "openvino", "--precision", "int8", "--calibration", few_scenes)
    seen = _groupvit(tmp_path / "seen", "export", *options, "-o", tmp_path / "bundle")
    assert (seen.status, seen.sockets) == (0, ()), seen
    assert set(seen.written) <= {_INDUCTOR}
