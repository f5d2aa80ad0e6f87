"""`groupvit segment` and `groupvit vocab`: what they write and print."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from groupvit_export.cli import VERBS, main

LABELS = "red house,blue boat,sky"


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


def test_what_is_said_of_an_image_is_not_lost_while_another_is_read(
    bundle: str, scenes, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    images = []
    for number in range(12):
        images.append(tmp_path / f"bad-{number}.jpg")
        images[-1].write_text("no image")
        images.append(scenes.image(number % 5))
    command = [
        "segment",
        bundle,
        *map(str, images),
        "--labels",
        LABELS,
        "-o",
        str(tmp_path / "out"),
        "--json",
    ]
    assert main(command) == 1
    said = capfd.readouterr()
    assert [json.loads(line)["image"] for line in said.out.splitlines()] == [str(image) for image in images]
    assert [line.split()[2] for line in said.err.splitlines() if line.startswith("groupvit: error:")] == [
        str(image) for image in images[::2]
    ]


def test_as_json_an_image_that_fails_has_its_line(
    bundle: str, scenes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = tmp_path / "Ärger.jpg"
    bad.write_text("no image")
    images = [str(scenes.image(0)), str(bad), str(scenes.image(1))]
    command = ["segment", bundle, *images, "--labels", LABELS, "-o", str(tmp_path / "out"), "--json"]
    assert main(command) == 1
    out = capsys.readouterr().out
    records = [json.loads(line) for line in out.splitlines()]
    assert out.isascii() and [record["image"] for record in records] == images
    assert ["error" in record for record in records] == [False, True, False]
    assert records[1]["error"] == "ImageError" and "Ärger.jpg" in records[1]["what"]


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


@pytest.mark.parametrize(
    "encoding", ["ascii", *(pytest.param(it, marks=pytest.mark.slow) for it in ("utf-8:strict", "cp1252"))]
)
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


@pytest.mark.slow
def test_quiet_prints_nothing_of_what_went_well(
    bundle: str, image: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = str(tmp_path / "bundle")
    assert main(["export", "--target", "openvino", "--precision", "fp32", "-o", output, "--quiet"]) == 0
    assert main(["segment", bundle, image, "--labels", "sky", "-o", str(tmp_path), "--quiet"]) == 0
    assert main(["verify", output, "--limit", "1", "--quiet"]) == 0
    assert main(["inspect", output, "--quiet"]) == 0
    assert main(["vocab", output, "--labels", "sky", "--add", "one", "--quiet"]) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_can_be_quiet(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    assert re.search(r"--quiet +print only what failed", capsys.readouterr().out)
