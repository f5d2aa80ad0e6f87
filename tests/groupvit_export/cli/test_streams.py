"""Consoles that are not UTF-8: what is said is escaped, and the exit code is the same."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from groupvit_export.data.bundled import DEMO_CHECKPOINT, DEMO_SAMPLE
from groupvit_export.provenance import read_provenance
from groupvit_export.utf8 import utf8_text
from groupvit_runtime.open_bundle import open_bundle

CONSOLES = [
    {"PYTHONIOENCODING": "cp1252:strict"},
    {"PYTHONIOENCODING": "cp437:strict"},
    {"PYTHONIOENCODING": "ascii:strict"},
    {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"},
    {"LC_ALL": "en_US.ISO-8859-1", "PYTHONUTF8": "0"},
]
# For what takes seconds: two of these always, all by `make test-slow`.
SELDOM = [
    pytest.param(console, marks=[pytest.mark.slow] if 0 < i < 4 else []) for i, console in enumerate(CONSOLES)
]
NAME = "猫 caf\xe9 \U0001f431"


def run(arguments: list[str], console: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONIOENCODING"}
    command = [sys.executable, "-m", "groupvit_export.cli", *arguments]
    return subprocess.run(command, env={**environment, **console}, capture_output=True, check=False)


@pytest.mark.parametrize("console", CONSOLES, ids=str)
def test_an_error_with_a_name_that_the_console_does_not_have(console: dict[str, str]) -> None:
    done = run(["inspect", f"/no/{NAME}", "--json"], console)
    assert done.returncode == 1
    # Python keeps the bytes of a name that its locale does not have.
    got = json.loads(done.stdout.decode("ascii"))["got"].encode("utf-8", "surrogateescape")
    assert NAME.encode() in got
    assert b"groupvit: error: " in done.stderr and b"Traceback" not in done.stderr


ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}
"""Python decodes names and arguments as ASCII, and keeps the other bytes."""


@pytest.mark.parametrize("target", ["onnx", pytest.param("openvino", marks=pytest.mark.slow)])
def test_files_whose_names_the_locale_does_not_have(
    target: str, demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    bundle = shutil.copytree(demo_bundles[target], tmp_path / "Bündel")
    shutil.copy(DEMO_SAMPLE, tmp_path / "Häuser.png")
    words = str(tmp_path / "Wörter.safetensors")
    assert run(["vocab", str(bundle), "--labels", "sky,water", "-o", words, "--quiet"], ASCII).returncode == 0
    arguments = [str(bundle), str(tmp_path / "Häuser.png"), "--vocab", words, "-o", str(tmp_path / "für")]
    done = run(["segment", *arguments, "--json"], ASCII)
    assert (done.returncode, done.stderr) == (0, b"")
    assert sorted(path.name for path in (tmp_path / "für").iterdir()) == [
        "Häuser.labels.json",
        "Häuser.labels.png",
        "Häuser.overlay.png",
    ]
    record = json.loads(done.stdout)
    assert record["image"].encode("utf-8", "surrogateescape").decode() == str(tmp_path / "Häuser.png")


@pytest.mark.slow
@pytest.mark.parametrize("target", ["onnx", pytest.param("openvino", marks=pytest.mark.slow)])
def test_an_export_whose_paths_the_locale_does_not_have(target: str, tmp_path: Path) -> None:
    checkpoint = shutil.copytree(DEMO_CHECKPOINT, tmp_path / "Schlüssel")
    arguments = [
        "--target",
        target,
        "--precision",
        "fp32",
        "--checkpoint",
        str(checkpoint),
        "-o",
        str(tmp_path / "Bündel"),
    ]
    done = run(["export", *arguments, "--quiet"], ASCII)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    bundle = open_bundle(tmp_path / "Bündel")
    assert bundle.manifest.name == "Bündel"
    assert read_provenance(bundle).checkpoint.source == str(checkpoint)


@pytest.mark.parametrize(
    ("kept", "text"),
    [
        ("H\udcc3\udca4user", "Häuser"),
        ("Häuser 猫", "Häuser 猫"),
        ("caf\udce9", "caf\\xe9"),
        ("plain", "plain"),
    ],
)
def test_what_the_locale_does_not_have_is_text_in_the_records(kept: str, text: str) -> None:
    assert utf8_text(kept) == text


@pytest.mark.parametrize(
    "words",
    [["--labels", "Häuser"], ["--labels", "sky", "--templates", "Häuser {}"]],
    ids=["label", "template"],
)
def test_words_that_the_locale_does_not_have(
    words: list[str], demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    # The demo does not know the word: what it says of it is what it read.
    bundle = str(demo_bundles["onnx"])
    done = run(["vocab", bundle, *words, "-o", str(tmp_path / "v.safetensors")], ASCII)
    assert done.returncode == 1 and b"tokenizer does not know" in done.stderr
    assert "Häuser".encode("ascii", "backslashreplace") in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("console", SELDOM, ids=str)
@pytest.mark.parametrize("arguments", [["--help"], ["bench", "--help"], ["doctor"], [NAME]])
def test_what_is_always_said(arguments: list[str], console: dict[str, str]) -> None:
    done = run(arguments, console)
    assert done.returncode == (2 if arguments == [NAME] else 0)
    assert b"Traceback" not in done.stderr
