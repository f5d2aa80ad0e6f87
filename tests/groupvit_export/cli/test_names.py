"""What a user who does not know the names types first."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from groupvit_export.cli import VERBS, export_main, main
from groupvit_export.errors import EngineError, UsageError
from groupvit_export.targets.registry import TARGETS, check_target, target_name
from groupvit_runtime import install_hint
from groupvit_runtime.engines import onnxruntime as engine


def test_an_export_without_a_target_names_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    assert export_main([]) == 2
    error = capsys.readouterr().err
    assert all(f"{name}: {target.summary}" in error for name, target in TARGETS.items())
    assert "fix: --target onnx" in error


def test_tensorrt_is_trt() -> None:
    assert check_target(target_name("tensorrt"), "fp16") is TARGETS["trt"]
    with pytest.raises(UsageError, match="did you mean --target tensorrt"):
        check_target(target_name("TensorTR"), "fp32")


@pytest.mark.parametrize("verb", [[], ["bench"]])
def test_help_is_a_word(verb: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["help", *verb]) == 0
    assert capsys.readouterr().out == _help(verb, capsys)
    assert main(["help", "bnech"]) == 2
    assert "Did you mean 'bench'?" in capsys.readouterr().err


def _help(verb: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main([*verb, "--help"]) == 0
    return capsys.readouterr().out


def test_the_version_of_groupvit_export(capsys: pytest.CaptureFixture[str]) -> None:
    assert export_main(["--version"]) == 0
    assert capsys.readouterr().out == f"groupvit-export {version('groupvit-export')}\n"


def test_the_package_can_be_run() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "groupvit_export", "--help"], capture_output=True, text=True, check=True
    )
    assert all(verb in done.stdout for verb in VERBS)


@pytest.mark.parametrize("name", ["bundle.zip", "bundle"])
def test_bench_knows_a_damaged_zip(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / name
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    assert main(["bench", str(path)]) == 1
    assert "this file is not a zipped bundle" in capsys.readouterr().err


@pytest.mark.parametrize("there", [True, False])
def test_the_package_for_cuda_never_comes_beside_the_other(
    there: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def found(name: str) -> str:
        if not there:
            raise PackageNotFoundError(name)
        return "1.20"

    monkeypatch.setattr(install_hint, "version", found)
    error = engine._no_provider("CUDAExecutionProvider", ["CPUExecutionProvider"])
    assert isinstance(error, EngineError) and error.fix is not None
    assert error.fix.startswith("pip uninstall onnxruntime, " if there else "pip install ")
    assert "onnxruntime-gpu" in error.fix
