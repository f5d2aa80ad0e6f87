"""`groupvit inspect` and `groupvit doctor`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from groupvit_export.cli import main
from groupvit_runtime.manifest import SCHEMA_VERSION
from groupvit_runtime.serialize import to_json


def test_inspect_shows_and_checks(bundle: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", bundle]) == 0
    out = capsys.readouterr().out
    for word in ("assignment_1", "fold_projections", "PASS", "openvino", "image.bin", "a photo of a {}."):
        assert word in out
    assert main(["inspect", bundle, "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["schema_version"] == to_json(SCHEMA_VERSION)
    assert shown["provenance"]["parity"]["verdict"] == "PASS"


def test_inspect_without_provenance_says_so(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    (copy / "provenance.json").unlink()
    assert main(["inspect", str(copy)]) == 0
    assert "not known without its provenance.json" in capsys.readouterr().out
    assert main(["inspect", str(copy), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["provenance"] is None
    assert main(["verify", str(copy)]) == 1
    assert "does not say how it came to be" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [("provenance.json", '"PASS"', '"FAIL"'), ("manifest.json", '"background_threshold": null', "")],
)
def test_inspect_notices_a_changed_record(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, old: str, new: str
) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    text = (copy / name).read_text()
    assert old in text
    (copy / name).write_text(text.replace(old, new or '"background_threshold": 0.5', 1))
    assert main(["inspect", str(copy)]) == 1
    assert "not the one that was exported" in capsys.readouterr().err


def test_a_vocabulary_that_is_added_breaks_no_seal(bundle: str, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(bundle, tmp_path / "bundle"))
    assert main(["vocab", str(copy), "--labels", "tree", "--add", "trees"]) == 0
    assert main(["inspect", str(copy)]) == 0


def test_inspect_notices_a_changed_file(
    bundle: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(bundle, tmp_path / "bundle")
    data = bytearray((copy / "text.bin").read_bytes())
    data[10] ^= 1
    (copy / "text.bin").write_bytes(data)
    assert main(["inspect", str(copy)]) == 1
    assert "text.bin" in capsys.readouterr().err


def test_doctor_names_every_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    rows = {(row["target"], row["device"]): row for row in report["targets"]}
    assert set(rows) == {
        *(("onnx", "cpu"), ("onnx", "cuda"), ("openvino", "cpu"), ("web", "browser"), ("litert", "cpu")),
        *(("trt (TensorRT)", "cuda"), ("trt (TensorRT-RTX)", "cuda"), ("torch", "cpu"), ("torch", "cuda")),
    }
    assert rows["onnx", "cpu"]["run"] and rows["openvino", "cpu"]["export"]
    assert all(row["run"] or row["fix"] for row in rows.values())
