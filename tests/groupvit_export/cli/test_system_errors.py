"""What the operating system refuses: a message with the path and the remedy, no traceback."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from groupvit_export.cli import VERBS, main
from groupvit_export.pipeline.api import ExportOptions, export_bundle

resource = pytest.importorskip("resource", reason="this system has no limits to set")

LONG = "x" * 300
EVAL = ["--dataset", "shapes", "--root"]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> str:
    output = tmp_path_factory.mktemp("bundle") / "openvino"
    return str(export_bundle(ExportOptions(target="openvino", precision="fp32", output=output)).path)


@pytest.fixture
def image(scenes) -> str:
    return str(scenes.image(0))


@contextlib.contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    """The disk is full for whoever writes more; Python ignores the signal that comes with it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def option(command: list[str]) -> str:
    """The verb, and the option with the path."""
    return " ".join([command[0], *(part for part in command if part.startswith("-"))])


def commands(bad: str, output: str) -> list[list[str]]:
    """Every verb and every option that takes a path, with one that cannot be."""
    words = ["--labels", "sky,water"]
    return [
        ["export", "--target", "onnx", "--checkpoint", bad],
        ["export", "--target", "onnx", "--tokenizer", bad],
        ["export", "--target", "onnx", "--config", bad],
        ["export", "--target", "onnx", "-o", output],
        ["export", "--target", "onnx", "--precision", "int8", "--calibration", bad],
        ["verify", bad],
        ["verify", "{bundle}", "--images", bad],
        ["verify", "{bundle}", "--against", bad],
        ["verify", "{bundle}", "--config", bad],
        ["verify", "{bundle}", "--labels-file", bad],
        ["segment", bad, "{image}", *words],
        ["segment", "{bundle}", bad, *words],
        ["segment", "{bundle}", "{image}", "--vocab", bad],
        ["segment", "{bundle}", "{image}", "--labels-file", bad],
        ["segment", "{bundle}", "{image}", *words, "-o", output],
        ["bench", bad],
        ["bench", "{bundle}", "--image", bad, "--cold", "0", "--rounds", "10"],
        ["bench", "{bundle}", "--vocab", bad],
        ["bench", "--compare", f"{bad}.jsonl", f"{bad}.jsonl"],
        ["eval", bad, *EVAL, "{scenes}"],
        ["eval", "{bundle}", *EVAL, bad],
        ["eval", "{bundle}", "--dataset", "folder", "--root", "{scenes}", "--classes", bad],
        ["eval", "{bundle}", *EVAL, "{scenes}", "-o", output],
        ["vocab", bad],
        ["vocab", "{bundle}", "--labels-file", bad, "-o", "{new}"],
        ["vocab", "{bundle}", *words, "-o", output],
        ["serve", bad, "--port", "0"],
        ["serve", "{bundle}", "--port", "0", "--token-file", bad],
        ["demo", bad],
        ["inspect", bad],
        ["triton", bad, "-o", "{new}"],
        ["triton", "{bundle}", "-o", output],
    ]


def refused(command: list[str], names: Mapping[str, object], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said of a command that fails."""
    code = main([part.format_map(names) for part in command])
    error = capsys.readouterr().err
    assert code in (1, 2), error
    assert "groupvit: error: " in error and "\n  fix: " in error and "Traceback" not in error
    return error


@pytest.fixture
def names(bundle: str, image: str, scenes, tmp_path: Path) -> dict[str, object]:
    return {"bundle": bundle, "image": image, "scenes": scenes.root, "new": tmp_path / "new.safetensors"}


@pytest.mark.parametrize("command", commands(LONG, LONG), ids=option)
def test_a_name_that_is_too_long(
    command: list[str], names: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    error = refused(command, names, capsys)
    assert "File name too long" in error or "255 bytes" in error


@pytest.mark.parametrize("command", commands("{file}/below", "{file}/below"), ids=option)
def test_a_path_below_a_file(
    command: list[str],
    names: dict[str, object],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    refused(command, {**names, "file": file}, capsys)


@pytest.mark.parametrize(
    "command",
    [
        ["export", "--target", "openvino", "--precision", "fp32", "-o", "{out}"],
        ["verify", "{bundle}", "--limit", "1", "--html", "{out}/page.html"],
        ["segment", "{bundle}", "{image}", "--labels", "sky,water", "-o", "{out}"],
        ["bench", "{bundle}", "--cold", "0", "--rounds", "10", "--json", "{out}/records.jsonl"],
        ["bench", "{bundle}", "--cold", "0", "--rounds", "10", "--html", "{out}/page.html"],
        ["eval", "{bundle}", *EVAL, "{scenes}", "--limit", "1", "-o", "{out}"],
        ["vocab", "{bundle}", "--labels", "sky,water", "-o", "{out}/words.safetensors"],
    ],
    ids=option,
)
def test_a_full_disk(
    command: list[str],
    names: dict[str, object],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out = tmp_path / "out"
    if command[0] != "export":
        out.mkdir()
    with no_file_larger_than(200):
        error = refused(command, {**names, "out": out}, capsys)
    assert "File too large" in error
    assert not out.exists() or {path.name for path in out.iterdir()} <= {"images.jsonl", "journal.jsonl"}


def test_every_verb_is_among_them() -> None:
    # `doctor` takes no path; Ray, which `bulk` needs, has an environment of its own.
    assert {command[0] for command in commands("", "")} == set(VERBS) - {"doctor", "bulk"}


def test_no_folder_for_temporary_files(
    bundle: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    zipped = tmp_path / "bundle.zip"
    subprocess.run([sys.executable, "-m", "zipfile", "-c", str(zipped), f"{bundle}/"], check=True)
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: [str(tmp_path / "missing")])
    assert main(["inspect", str(zipped), "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["what"] == "there is no folder for temporary files" and "TMPDIR=" in told["fix"]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize("arguments", [["--help"], ["doctor", "--json"], ["inspect", "{bundle}"]])
def test_standard_output_on_a_full_disk(arguments: list[str], bundle: str) -> None:
    command = [sys.executable, "-m", "groupvit_export.cli", *(a.format(bundle=bundle) for a in arguments)]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        1,
        "groupvit: error: the output cannot be written\n"
        "  got: standard output: No space left on device\n"
        "  fix: give it a place with space left\n",
    )


@pytest.mark.skipif(os.name == "nt", reason="closes descriptors in a POSIX shell")
@pytest.mark.parametrize(
    "closed", [">&-", *(pytest.param(it, marks=pytest.mark.slow) for it in ("2>&-", ">&- 2>&-"))]
)
def test_streams_that_are_closed(closed: str) -> None:
    command = f"{sys.executable} -m groupvit_export.cli doctor {closed}"
    assert subprocess.run(["sh", "-c", command], capture_output=True, check=False).returncode == 0
