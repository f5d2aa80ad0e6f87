"""The command line: what it prints, what it exits with, and that no user sees a traceback."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from groupvit_export.cli import VERBS, export_main, main
from groupvit_runtime.manifest import SCHEMA_VERSION
from groupvit_runtime.serialize import to_json

LABELS = "red house,blue boat,sky"


@pytest.fixture
def bundle(demo_bundles: Mapping[str, Path]) -> str:
    return str(demo_bundles["openvino"])


@pytest.fixture
def image(scenes) -> str:
    return str(scenes.image(0))


def test_segment_writes_labels_and_overlays(
    bundle: str, image: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["segment", bundle, image, "--labels", LABELS, "-o", str(tmp_path)]) == 0
    labels, overlay = Image.open(tmp_path / "000000.labels.png"), Image.open(tmp_path / "000000.overlay.png")
    assert labels.mode == "P" and labels.size == (224, 224)
    assert np.asarray(labels).max() < 3
    assert overlay.mode == "RGB" and min(overlay.size) >= 480
    assert "000000.overlay.png" in capsys.readouterr().out
    assert {path.name for path in tmp_path.glob("*.png")} == {"000000.labels.png", "000000.overlay.png"}


def test_segment_as_json_is_a_line_a_image(
    bundle: str, scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = [str(scenes.image(i)) for i in range(3)]
    assert main(["segment", bundle, *images, "--labels", LABELS, "-o", str(tmp_path), "--json"]) == 0
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [record["image"] for record in records] == images
    for record in records:
        assert (record["width"], record["height"]) == (224, 224)
        assert sum(record["shares"].values()) == pytest.approx(1)
        assert Path(record["labels"]).is_file()


def test_one_bad_image_does_not_cost_the_others(
    bundle: str, scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "bad.jpg"
    bad.write_text("no image")
    arguments = [str(scenes.image(0)), str(bad), str(scenes.image(1))]
    assert main(["segment", bundle, *arguments, "--labels", LABELS, "-o", str(tmp_path / "out")]) == 1
    assert (tmp_path / "out" / "000001.overlay.png").is_file()
    error = capsys.readouterr().err
    assert "bad.jpg" in error and "1 of 3" in error and "Traceback" not in error


def test_images_of_one_name_do_not_overwrite_each_other(bundle: str, image: str, tmp_path: Path) -> None:
    twin = tmp_path / "000000.png"
    shutil.copy(image, twin)
    assert main(["segment", bundle, image, str(twin), "--labels", LABELS, "-o", str(tmp_path / "o")]) == 0
    assert {p.name for p in (tmp_path / "o").glob("*.labels.png")} == {
        "000000.labels.png",
        "000000-2.labels.png",
    }


def test_a_folder_of_images(bundle: str, scenes, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(2):
        shutil.copy(scenes.image(i), folder)
    (folder / "notes.txt").write_text("not an image")
    assert main(["segment", bundle, str(folder), "--labels", LABELS, "-o", str(tmp_path / "o")]) == 0
    assert len(list((tmp_path / "o").glob("*.png"))) == 4


def test_a_folder_says_what_it_leaves_out_and_its_results_are_not_segmented(
    bundle: str, image: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "in"
    (folder / "below").mkdir(parents=True)
    shutil.copy(image, folder / "a.JPE")
    shutil.copy(image, folder / "below" / "b.png")
    arguments = ["segment", bundle, str(folder), "--labels", LABELS, "-o", str(folder)]
    assert main(arguments) == 0
    assert "1 entry" in capsys.readouterr().err
    assert main([*arguments, "--force"]) == 0
    error = capsys.readouterr().err
    assert "4 entries" in error and "a.labels.png (a result of segment)" in error
    assert main([*arguments, "--force", "--quiet", "--recursive"]) == 0
    assert capsys.readouterr() == ("", "")
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.labels.png")} == {
        "a.labels.png",
        "below/b.labels.png",
    }


def test_a_name_that_leaves_no_room_for_its_results_costs_that_image_only(
    bundle: str, image: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = tmp_path / "in"
    images.mkdir()
    for stem in ("a" * 243, "b" * 244, "c" * 251, "d"):
        shutil.copy(image, images / f"{stem}.png")
    output = tmp_path / "out"
    assert main(["segment", bundle, str(images), "--labels", LABELS, "-o", str(output), "--force"]) == 1
    error = capsys.readouterr().err
    assert "256 bytes" in error and "263 bytes" in error and "2 of 4" in error and "fix: rename" in error
    assert sorted(path.name[0] for path in output.glob("*.png")) == ["a", "a", "d", "d"]


@pytest.mark.parametrize("encoding", ["utf-8:strict", "cp1252", "ascii"])
@pytest.mark.parametrize("option", ["--json", "--force"])
def test_names_that_the_terminal_cannot_print(
    option: str, encoding: str, bundle: str, image: str, tmp_path: Path
) -> None:
    images = tmp_path / "in"
    images.mkdir()
    named = [images / os.fsdecode(name) for name in (b"caf\xe9.png", "\U0001f431 \u732b.png".encode())]
    for path in named:
        try:
            shutil.copy(image, path)
        except OSError:
            pytest.skip("this file system takes no name that is not UTF-8")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "groupvit_export.cli", "segment", bundle, str(images)),
            *(option, "--labels", LABELS, "-o", str(tmp_path / "out")),
        ],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": encoding},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert len(list((tmp_path / "out").glob("*.png"))) == 4
    if option == "--json":
        records = [json.loads(line) for line in done.stdout.splitlines()]
        assert [record["image"] for record in records] == [str(path) for path in sorted(named)]
    else:
        assert rb"caf\udce9" in done.stdout


def test_an_image_beyond_the_limit_or_the_memory_costs_that_image_only(
    bundle: str,
    image: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small = tmp_path / "small.png"
    Image.new("RGB", (20, 10)).save(small)
    arguments = [
        "segment",
        bundle,
        image,
        str(small),
        "--labels",
        LABELS,
        "--force",
        "-o",
        str(tmp_path / "o"),
    ]
    assert main([*arguments, "--max-pixels", "200"]) == 1
    error = capsys.readouterr().err
    assert "224 x 224 = 50,176 pixels" in error and "--max-pixels" in error and "1 of 2" in error
    assert (tmp_path / "o" / "small.overlay.png").is_file()

    def exhausted(rgb: np.ndarray, *_: object, **__: object) -> Image.Image:
        if rgb.shape[0] > 10:
            raise MemoryError
        return Image.new("RGB", (1, 1))

    monkeypatch.setattr("groupvit_runtime.result.overlay", exhausted)
    assert main(arguments) == 1
    error = capsys.readouterr().err
    assert "does not fit into the memory" in error and "1 of 2" in error
    assert main([*arguments, "--max-pixels", "0"]) == 2


def test_gray_label_maps(bundle: str, image: str, tmp_path: Path) -> None:
    for option, mode in (("--gray-labels", "L"), ("--force", "P")):
        assert main(["segment", bundle, image, "--labels", LABELS, option, "-o", str(tmp_path / mode)]) == 0
    gray, colored = (Image.open(tmp_path / mode / "000000.labels.png") for mode in "LP")
    assert (gray.mode, colored.mode) == ("L", "P")
    np.testing.assert_array_equal(np.asarray(gray), np.asarray(colored))


def test_results_are_not_overwritten_without_force(bundle: str, image: str, tmp_path: Path) -> None:
    arguments = ["segment", bundle, image, "--labels", LABELS, "-o", str(tmp_path)]
    assert main(arguments) == 0
    (tmp_path / "000000.overlay.png").write_bytes(Path(image).read_bytes())
    assert main(arguments) == 1
    assert main([*arguments, "--force"]) == 0


def test_vocab_add_then_segment_by_name(
    bundle: str, image: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = str(shutil.copytree(bundle, tmp_path / "bundle"))
    assert main(["vocab", copy, "--labels", LABELS, "--add", "colors"]) == 0
    assert main(["vocab", copy, "--labels", "background", "--add", "colors"]) == 1
    assert main(["vocab", copy, "--labels", "background,red house", "--add", "colors", "--force"]) == 0
    assert len(list((tmp_path / "bundle" / "vocabularies").iterdir())) == 1
    assert main(["segment", copy, image, "--vocab", "colors", "-o", str(tmp_path / "o")]) == 0
    capsys.readouterr()
    assert main(["vocab", copy, "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == [{"name": "colors", "size": 2}]
    assert main(["inspect", copy]) == 0
    assert "colors (2)" in capsys.readouterr().out


def test_vocab_to_a_file_then_segment_with_it(bundle: str, image: str, tmp_path: Path) -> None:
    file = tmp_path / "names.txt"
    file.write_text("red house\n\nbackground\n", encoding="utf-8")
    words = str(tmp_path / "w.safetensors")
    assert main(["vocab", bundle, "--labels-file", str(file), "-o", words]) == 0
    assert main(["segment", bundle, image, "--vocab", words, "-o", str(tmp_path / "o")]) == 0


@pytest.mark.parametrize(
    ("data", "names"),
    [
        (b"\xef\xbb\xbfred house\r\n\r\nbackground", ["red house", "background"]),
        ("red\u2028house\rblue\x0bhouse\nwater\u0085".encode(), ["red house", "blue house", "water"]),
        ("red house\nwater".encode("utf-16"), "UTF-16.*UTF-8"),
        ("red house\nwater".encode("utf-16-le"), "zeros.*UTF-8"),
        ("red house\nwater".encode("utf-32"), "UTF-32.*UTF-8"),
        (b"red house\ncaf\xe9", "UTF-8"),
        (b"red house\nblue \x1bhouse", "control character"),
        (b"red house " * 299, "too long"),
    ],
)
def test_files_of_labels(
    bundle: str, data: bytes, names: list[str] | str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "names.txt").write_bytes(data)
    command = ["vocab", bundle, "--labels-file", str(tmp_path / "names.txt"), "--json"]
    code = main([*command, "-o", str(tmp_path / "w.safetensors")])
    captured = capsys.readouterr()
    if isinstance(names, list):
        assert (code, json.loads(captured.out)["names"]) == (0, names)
    else:
        assert code == 1 and re.search(names, captured.err, re.DOTALL) and len(captured.err) < 1000


def test_quiet_prints_nothing_of_what_went_well(
    bundle: str, image: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "bundle")
    assert main(["export", "--target", "openvino", "-o", output, "--quiet"]) == 0
    assert main(["segment", bundle, image, "--labels", "sky", "-o", str(tmp_path), "--quiet"]) == 0
    assert main(["verify", output, "--limit", "1", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


def test_one_name_alone_is_remarked_on(
    bundle: str, image: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["segment", bundle, image, "-o", str(tmp_path), "--force"]
    assert main([*command, "--labels", "water"]) == 0
    assert "one name takes the whole picture" in capsys.readouterr().err
    assert main([*command, "--labels", "water,sky"]) == 0
    assert main([*command, "--labels", "water", "--decode", "paper", "--background-threshold", "0.5"]) == 0
    assert "one name" not in capsys.readouterr().err


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
        *(("onnx", "cpu"), ("onnx", "cuda"), ("openvino", "cpu")),
        *(("trt (TensorRT)", "cuda"), ("trt (TensorRT-RTX)", "cuda"), ("torch", "cpu"), ("torch", "cuda")),
    }
    assert rows["onnx", "cpu"]["run"] and rows["openvino", "cpu"]["export"]
    assert all(row["run"] or row["fix"] for row in rows.values())


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
    assert export_main(["--target", "onnx", "--templates", "a photo of a {}."]) == 0
    captured = capsys.readouterr()
    made = json.loads((tmp_path / "demo-onnx-fp32" / "provenance.json").read_text())
    assert shlex.split(made["command"])[-2:] == ["--templates", "a photo of a {}."]
    line = next(line for line in captured.out.splitlines() if "groupvit segment" in line)
    # What is printed can be typed.
    assert main(shlex.split(line)[1:]) == 0
    assert (tmp_path / "segmented" / "sample.overlay.png").is_file()
    assert "capture the graphs" in captured.err
    assert export_main(["--target", "onnx"]) == 1
    assert "--force" in capsys.readouterr().err


def test_reading_only_the_first_line_is_no_error(bundle: str) -> None:
    command = f"{sys.executable} -m groupvit_export.cli inspect {bundle} | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("bundle")
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
