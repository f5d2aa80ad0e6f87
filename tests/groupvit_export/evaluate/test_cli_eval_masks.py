"""`groupvit eval` on masks that other tools write: void values, absent classes, EXIF orientations."""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import jaccard_score

from groupvit_export.cli import main
from groupvit_export.data.bundled import DEMO_SAMPLE
from groupvit_runtime import Segmenter

CLASSES = ("sky", "grass", "purple house")
VOID = 255
SIDE = 96
EVEN = np.arange(SIDE) % 2 == 0


@pytest.fixture(scope="module")
def bundle(demo_bundles: Mapping[str, Path]) -> Path:
    return demo_bundles["onnx"]


def truth(seed: int) -> np.ndarray:
    """All classes, and void pixels."""
    blocks = np.random.default_rng(seed).permutation(np.array([0, 1, 2, VOID] * 4, np.uint8)).reshape(4, 4)
    return np.kron(blocks, np.ones((SIDE // 4, SIDE // 4), np.uint8))


MASKS = {"a": truth(0), "b": truth(1)}


def write(root: Path, masks: Mapping[str, np.ndarray], *classes: str, orientation: int = 1) -> Path:
    """Parts of the demo's sample; `orientation` is written into the files, which store the pixels as cut."""
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    (root / "classes.txt").write_text("".join(f"{name}\n" for name in (*CLASSES, *classes)))
    exif = Image.Exif()
    exif[0x0112] = orientation
    with Image.open(DEMO_SAMPLE) as sample:
        for place, (name, values) in enumerate(masks.items()):
            image = sample.convert("RGB").crop((place * SIDE, 0, (place + 1) * SIDE, SIDE))
            image.save(root / "images" / f"{name}.png", exif=exif)
            Image.fromarray(values).save(root / "masks" / f"{name}.png")
    return root


def go(bundle: Path, root: Path, output: Path, *more: str, code: int = 0) -> dict[str, Any]:
    arguments = [
        "eval",
        str(bundle),
        "--dataset",
        "folder",
        "--root",
        str(root),
        "-o",
        str(output),
    ]
    assert main([*arguments, *more]) == code
    value: dict[str, Any] = json.loads((output / "report.json").read_text(), parse_constant=pytest.fail)
    return value


@pytest.fixture(scope="module")
def usual(bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The report of classes from 0 and one void value, the default."""
    folder = tmp_path_factory.mktemp("usual")
    return go(bundle, write(folder / "data", MASKS), folder / "out")


@pytest.mark.parametrize(
    ("written", "options"),
    [
        (lambda mask: np.where((mask == VOID) & EVEN, 254, mask), ["--ignore-index", "254,255"]),
        (lambda mask: np.where(mask == VOID, 7, mask), ["--ignore-index", "9", "--ignore-index", "7"]),
        (lambda mask: np.where(mask == VOID, 0, mask + 1), ["--reduce-zero-label"]),
    ],
    ids=["two void values", "another void value", "0 is void, classes from 1"],
)
def test_however_void_is_written_the_numbers_are_the_same(
    bundle: Path, usual: dict[str, Any], tmp_path: Path, written: Any, options: list[str]
) -> None:
    masks = {name: written(mask).astype(np.uint8) for name, mask in MASKS.items()}
    report = go(bundle, write(tmp_path / "data", masks), tmp_path / "out", *options)
    for name in ("confusion", "classes", "miou", "ignored_pixels", "ignored_share"):
        assert report[name] == usual[name]
    segmenter, seen, right = Segmenter.load(bundle), [], []
    for name, mask in MASKS.items():
        labels = segmenter(tmp_path / "data" / "images" / f"{name}.png", CLASSES).labels
        seen.append(labels[mask != VOID])
        right.append(mask[mask != VOID])
    ious = jaccard_score(np.concatenate(right), np.concatenate(seen), average=None)
    assert [item["iou"] for item in report["classes"]] == pytest.approx(ious.tolist(), abs=1e-12)
    assert report["ignored_pixels"] == sum(int((mask == VOID).sum()) for mask in MASKS.values())
    assert report["ignored_share"] == 0.25


def test_a_value_that_is_no_class_is_told_with_its_fix_once(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks = {name: np.where(mask == VOID, 254, mask).astype(np.uint8) for name, mask in MASKS.items()}
    report = go(bundle, write(tmp_path / "data", masks), tmp_path / "out", code=1)
    captured = capsys.readouterr()
    for name in MASKS:
        assert captured.err.count(f"error: {name}:") == 1 and f"masks/{name}.png" not in captured.out
    assert captured.err.count("fix: --ignore-index 254,255") == 1
    assert [failed["fix"].split(",")[0] for failed in report["failed"]] == ["--ignore-index 254"] * 2


@pytest.mark.parametrize("numbers", ["", "a", "1,,2", "1.5", "254;255", "٣"])
def test_ignored_values_are_numbers(tmp_path: Path, numbers: str, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--dataset", "folder", "--root", str(tmp_path), "--ignore-index", numbers]
    assert main(["eval", str(tmp_path), *options]) == 2
    assert "--ignore-index 254,255" in capsys.readouterr().err


def test_an_image_of_ignored_pixels_only(bundle: Path, tmp_path: Path) -> None:
    root = write(tmp_path / "data", {**MASKS, "c": np.full((SIDE, SIDE), VOID, np.uint8)})
    report = go(bundle, root, tmp_path / "out")
    assert report["images"]["measured"] == 3
    assert {drawn["key"] for drawn in report["worst"]} == {"a", "b"}
    assert report["ignored_pixels"] == SIDE * SIDE * 3 // 2


@pytest.mark.parametrize(
    ("classes", "mask", "says"),
    [
        (("boat",), MASKS["a"], "boat has no pixel in the masks of 1 image (1 of 4 classes)"),
        ((), np.where(MASKS["a"] == 1, VOID, 0), "write the class's number into the masks"),
        ((), np.minimum(MASKS["a"], 1), "--reduce-zero-label"),
    ],
    ids=["a class too many", "masks of 0 and 255", "a last class that is not there"],
)
def test_a_class_without_truth_is_named(
    bundle: Path,
    tmp_path: Path,
    classes: tuple[str, ...],
    mask: np.ndarray,
    says: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    report = go(bundle, write(tmp_path / "data", {"a": mask.astype(np.uint8)}, *classes), tmp_path / "out")
    (line,) = report["notes"]
    assert says in line
    assert capsys.readouterr().err == f"groupvit: warning: {line}\n"
    absent = [item for item in report["classes"] if not item["truth_pixels"]]
    assert [item["iou"] for item in absent] == [0 if item["predicted_pixels"] else None for item in absent]


def test_masks_beside_images_to_be_turned(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write(tmp_path / "data", {"a": MASKS["a"]}, orientation=6)
    report = go(bundle, root, tmp_path / "out")
    assert report["images"]["turned"] == 1
    assert report["notes"][0].startswith("1 of 1 image has an EXIF orientation")
    assert report["notes"][0] in capsys.readouterr().err
    raw = go(bundle, root, tmp_path / "raw", "--raw-masks")
    assert raw["notes"] == [] and raw["confusion"] != report["confusion"]
    shutil.copytree(root, tmp_path / "upright")
    for folder, name in (("images", "a.png"), ("masks", "a.png")):
        path = tmp_path / "upright" / folder / name
        with Image.open(path) as stored:
            turned = Image.fromarray(np.rot90(np.asarray(stored), -1))
        turned.save(path)
    assert go(bundle, tmp_path / "upright", tmp_path / "last")["confusion"] == raw["confusion"]
    assert (
        main(["eval", str(bundle), "--dataset", "folder", "--root", str(root), "-o", str(tmp_path / "raw")])
        == 1
    )
    assert "raw_masks" in capsys.readouterr().err


@pytest.mark.parametrize("how", ["options", "command"])
def test_the_report_alone_repeats_the_run(
    bundle: Path, tmp_path: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = {name: np.where(mask == VOID, 0, mask + 1).astype(np.uint8) for name, mask in MASKS.items()}
    root = write(tmp_path / "data", masks)
    (root / "names.txt").write_text("background\ngrass\npurple house\n")
    monkeypatch.chdir(root)
    chosen = ["--classes", "names.txt", "--reduce-zero-label", "--ignore-index", "9,255", "--limit", "1"]
    chosen += [
        "--decode",
        "paper",
        "--background-threshold",
        "0.3",
        "--templates",
        "a {}.",
        "--templates",
        "{}",
    ]
    report = go(bundle, Path(), tmp_path / "out", *chosen, "--raw-masks", "--threads", "1", "--device", "cpu")
    if how == "command":
        arguments = shlex.split(report["request"]["command"])[1:]
        monkeypatch.chdir(report["request"]["directory"])
    else:
        monkeypatch.chdir("/")
        options = report["request"]["options"]
        arguments = ["eval", options.pop("bundle")]
        for name, value in options.items():
            for item in value if isinstance(value, list) else [value]:
                if item not in (None, False):
                    arguments += [f"--{name.replace('_', '-')}", *([] if item is True else [str(item)])]
        assert not (options.keys() - {"split", "vocabulary", "precision"}) & {
            key for key, item in options.items() if item is None
        }
    assert main([*arguments, "-o", str(tmp_path / "again")]) == 0
    again = json.loads((tmp_path / "again" / "report.json").read_text())
    for name in ("identity", "confusion", "miou", "notes", "choices", "ignored_pixels"):
        assert again[name] == report[name]


def test_a_threshold_needs_a_background(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = write(tmp_path / "data", MASKS)
    arguments = ["eval", str(bundle), "--dataset", "folder", "--root", str(root), "-o", str(tmp_path / "out")]
    assert main([*arguments, "--decode", "paper", "--background-threshold", "0.5"]) == 2
    assert "no background" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_page_of_the_worst_images(bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    masks = {**MASKS, "caf\udce9": MASKS["a"], "<b>": np.full((SIDE, SIDE), 77, np.uint8)}
    root = write(tmp_path / "data", masks, "boat")
    page = tmp_path / "out" / "page.html"
    report = go(bundle, root, tmp_path / "out", "--html", str(page), code=1)
    assert str(page) in capsys.readouterr().out
    text = page.read_text(encoding="utf-8")
    assert f"mIoU {100 * report['miou']:.2f} %" in text and "&lt;b&gt;" in text and "<b>:" not in text
    assert text.count("data:image/jpeg") == 3 and "caf\\udce9" in text
    assert "boat has no pixel" in text and "--ignore-index 77,255" in text


def test_a_page_that_has_nowhere_to_go_is_told_first(
    bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [
        "eval",
        str(bundle),
        "--dataset",
        "folder",
        "--root",
        "none",
        "--html",
        str(tmp_path / "a" / "b"),
    ]
    assert main(arguments) == 2
    assert "nowhere to go" in capsys.readouterr().err
