"""What the command line says of mistakes, of itself, and what it exits with; no user sees a traceback."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from groupvit_export.cli import VERBS, export_main, main


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["export", "--target", "opnvino"], 2, "did you mean --target openvino?"),
        (["export", "--target", "onnx", "--precision", "fp4"], 2, "fp32"),
        (["export", "--target", "onnx", "--image-size", "big"], 2, "--image-size 448"),
        (["export", "--target", "onnx", "--decode", "best"], 2, "hf or paper"),
        (["export", "--target", "openvino", "--device", "cuda"], 2, "--target torch only"),
        (["export", "--target", "torch", "--device", "tpu"], 2, "cpu or cuda"),
        (["export", "--target", "onnx", "--templates", "no place"], 1, "template"),
        (["export", "--target", "onnx", "--disable-pass", "nope"], 2, "fold_projections"),
        (["export", "--target", "onnx", "--checkpoint", "/no/such/place"], 1, "checkpoint"),
        (["segment", "/no/bundle", "x.png", "--labels", "a"], 1, "not a bundle"),
        (["segment", "{bundle}", "{image}", "--labels", ""], 1, "list of labels is empty"),
        (["segment", "{bundle}", "{image}", "--labels", "background,Background"], 1, "given twice"),
        (["segment", "{bundle}", "{image}", "--labels", "a dog"], 1, "does not know"),
        (["segment", "{bundle}", "{image}", "--labels", "red " * 500], 1, "too long"),
        (["segment", "{bundle}", "/no/such.png", "--labels", "background"], 1, "no/such.png"),
        (["segment", "{bundle}", "{image}", "--labels", "background", "--device", "tpu"], 2, "cpu or cuda"),
        (["segment", "{bundle}", "{image}", "--labels", "background", "--device", "cuda"], 1, "cuda"),
        (
            ["segment", "{bundle}", "{image}", "--labels", "background", "--background-threshold", "7"],
            2,
            "0 to 1",
        ),
        (["segment", "{bundle}", "{image}", "--vocab", "pets"], 1, "no vocabulary"),
        (["vocab", "{bundle}", "--labels", "background"], 2, "-o FILE or --add"),
        (["vocab", "{bundle}", "--labels", "background", "--add", "../x"], 2, "cannot name"),
        (["inspect", "/no/bundle"], 1, "not a bundle"),
    ],
)
def test_every_mistake_is_a_message_and_a_code(
    bundle: str,
    image: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    filled = [argument.format(bundle=bundle, image=image) for argument in arguments]
    assert main(filled) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "/no/bundle", "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["error"] == "BundleError" and report["fix"]


@pytest.mark.parametrize(
    "arguments", [[], ["fly"], ["segment"], ["export", "--tar", "onnx"], ["inspect", "a", "b"]]
)
def test_usage_errors_exit_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "Usage: groupvit" in error and "--help" in error and "Traceback" not in error


def test_a_checkpoint_without_its_option_is_told_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert export_main(["--target", "onnx", "weights/group vit.pth"]) == 2
    assert "fix: --checkpoint weights/group vit.pth" in capsys.readouterr().err
    assert main(["inspect", "bundle", "another"]) == 2
    assert "fix: groupvit inspect --help" in capsys.readouterr().err


def test_a_mistyped_verb_or_option_is_corrected(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["exprt"]) == 2
    assert "Did you mean 'export'?" in capsys.readouterr().err
    assert main(["export", "--tagret", "onnx"]) == 2
    assert "No such option: --tagret (Possible options: " in (error := capsys.readouterr().err)
    assert "--target" in error


@pytest.mark.parametrize("value", ["--force", "-o", "--labels"])
def test_an_option_is_no_value(value: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["segment", "bundle", "x.png", "--labels", "a", "-o", value]) == 2
    assert f"Option '-o' requires a value, and got '{value}'" in capsys.readouterr().err


def test_a_number_below_zero_is_a_value(bundle: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["eval", bundle, "--dataset", "folder", "--root", ".", "--limit", "-3"]) == 2
    assert "--limit is out of range" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["segment", "b", "x.png"], "one of --labels, --labels-file, --vocab"),
        (["segment", "b", "x.png", "--labels", "a", "--vocab", "v"], "--vocab is not allowed with --labels"),
        (["vocab", "b", "--labels", "a", "-o", "f", "--add", "n"], "--add is not allowed with --output"),
        (
            ["verify", "b", "--labels", "a", "--labels-file", "f"],
            "--labels-file is not allowed with --labels",
        ),
        (["bench", "b", "--labels", "a", "--vocab", "v"], "--vocab is not allowed with --labels"),
    ],
)
def test_options_that_exclude_each_other(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    assert message in capsys.readouterr().err


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"groupvit-export {version('groupvit-export')}\n"


def test_help_imports_neither_numpy_nor_a_verb() -> None:
    code = (
        "import sys; from groupvit_export.cli import main; main(['--help']);"
        "print(sorted({'numpy', 'pydantic', 'groupvit_runtime', 'groupvit_export.cli.export'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr
    words = " ".join(done.stdout.split())
    assert all(f"{verb} {summary}" in words for verb, summary in VERBS.items())


def test_a_shell_completes_verbs_and_options() -> None:
    def completed(words: str) -> list[str]:
        environment = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        done = subprocess.run(
            [sys.executable, "-c", "from groupvit_export.cli import main; main([])"],
            env={**os.environ, **environment, "_GROUPVIT_COMPLETE": "complete_bash"},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout.split()

    assert completed("groupvit ver") == ["verify"]
    assert completed("groupvit export --prec") == ["--precision"]


@pytest.mark.parametrize("verb", list(VERBS))
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert "--json" in capsys.readouterr().out


def test_a_typing_error_is_told_before_anything_heavy_is_imported() -> None:
    code = (
        "import sys; from groupvit_export.cli import main; code = main(['export', '--target', 'x']);"
        "print(code, sorted({'torch', 'onnx', 'openvino', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "2 []"


def test_groupvit_export_is_groupvit_export(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert export_main(["--target", "onnx", "--precision", "fp32", "--templates", "a photo of a {}."]) == 0
    captured = capsys.readouterr()
    made = json.loads((tmp_path / "demo-onnx-fp32" / "provenance.json").read_text())
    assert shlex.split(made["command"])[-2:] == ["--templates", "a photo of a {}."]
    line = next(line for line in captured.out.splitlines() if "groupvit segment" in line)
    # What is printed can be typed.
    assert main(shlex.split(line)[1:]) == 0
    assert (tmp_path / "segmented" / "sample.overlay.png").is_file()
    assert "capture the graphs" in captured.err
    assert export_main(["--target", "onnx", "--precision", "fp32"]) == 1
    assert "--force" in capsys.readouterr().err


@pytest.mark.slow
def test_reading_only_the_first_line_is_no_error(bundle: str) -> None:
    command = f"{sys.executable} -m groupvit_export.cli inspect {bundle} | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("bundle")
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
