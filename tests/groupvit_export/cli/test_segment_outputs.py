"""What `groupvit segment` writes beside label maps and overlays, and what it is told for that."""

from __future__ import annotations

import io
import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import jsonschema
import numpy as np
import pytest
import yaml
from PIL import Image
from pycocotools.coco import COCO

from groupvit_export.cli import main
from groupvit_runtime import Segmenter

LABELS = "sky,tree,water"


@pytest.fixture
def images(scenes: Any, tmp_path: Path) -> Path:
    """Three images, one of them in a folder of its own."""
    folder = tmp_path / "images"
    (folder / "below").mkdir(parents=True)
    for index, name in enumerate(("a.png", "b.png", "below/a.png")):
        shutil.copy(scenes.image(index), folder / name)
    return folder


@pytest.fixture
def segment(demo_bundles: Mapping[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str | Path, labels: str | None = LABELS, code: int = 0) -> tuple[list[Any], str]:
        """The lines of JSON, and what was said."""
        command = ["segment", str(demo_bundles["onnx"]), *map(str, arguments), "-o", str(tmp_path / "out")]
        wanted = [] if labels is None else ["--labels", labels]
        assert main([*command, *wanted, "--json"]) == code
        told = capsys.readouterr()
        return [json.loads(line) for line in told.out.splitlines()], told.err

    return run


def label_map(path: Path) -> Any:
    with Image.open(path) as image:
        return np.array(image)


def test_a_folder_is_one_file_for_coco_cvat_and_yolo(segment: Any, images: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    lines, said = segment(images, "--recursive", "--format", "png,coco,cvat,yolo", "--objects")
    assert len(lines) == 3 and f"3 images in {out / '_annotations.coco.json'}" in said
    coco = COCO(out / "_annotations.coco.json")
    names = [one["file_name"] for one in coco.loadImgs(sorted(coco.getImgIds()))]
    assert names == ["a.png", "b.png", "below/a.png"]
    for number, (name, line) in enumerate(zip(names, lines, strict=True), 1):
        labels = label_map((out / name).with_suffix(".labels.png"))
        annotations = coco.loadAnns(coco.getAnnIds(imgIds=[number]))
        drawn = np.zeros_like(labels)
        for one in annotations:
            drawn[coco.annToMask(one) == 1] = one["category_id"]
        np.testing.assert_array_equal(drawn, labels + 1)
        assert [one["area"] for one in annotations] == [one["area"] for one in line["objects"]]
    root = ElementTree.parse(out / "_annotations.cvat.xml").getroot()
    assert [(one.get("id"), one.get("name")) for one in root.iter("image")] == list(
        zip("012", names, strict=True)
    )
    assert len(list(root.iter("mask"))) == len(coco.getAnnIds())
    assert yaml.safe_load((out / "data.yaml").read_text())["names"] == dict(enumerate(LABELS.split(",")))


def test_the_file_of_a_folder_is_gone_on_with(segment: Any, images: Path, tmp_path: Path) -> None:
    """As after a kill: between two images, and between the last one and the file of all."""
    out = tmp_path / "out"
    options = (images, "--recursive", "--format", "coco", "--show", "none")
    segment(*options)
    whole = {path: path.read_bytes() for path in out.rglob("*.json")}
    assert len(whole) == 4
    for lost in (("_annotations.coco.json", "b.coco.json"), ("_annotations.coco.json",), ()):
        for name in lost:
            (out / name).unlink()
        lines, _ = segment(*options)
        assert sum("done_before" in line for line in lines) == (2 if "b.coco.json" in lost else 3)
        assert {path: path.read_bytes() for path in out.rglob("*.json")} == whole
    (out / "_annotations.coco.json").write_text('{"images": []}\n')
    assert "changed since it was written" in segment(*options, code=1)[1]
    segment(*options, "--force")
    assert {path: path.read_bytes() for path in out.rglob("*.json")} == whole


def test_a_label_map_is_read_years_later_by_the_record_beside_it(
    segment: Any, images: Path, tmp_path: Path, demo_bundles: Mapping[str, Path]
) -> None:
    ((line,), _) = segment(images / "a.png", "--threshold", "0.6", "--negatives", "grass")
    record = json.loads(Path(line["record"]).read_text())
    schema = Path(__file__).resolve().parents[3] / "runtimes" / "labels.schema.json"
    jsonschema.validate(record, json.loads(schema.read_text()))
    with Image.open(line["labels"]) as image:
        labels, colors = np.array(image), np.array(image.getpalette()).reshape(-1, 3)
    assert [one["name"] for one in record["classes"]] == [*LABELS.split(","), "unlabeled"]
    for one in record["classes"]:
        assert one["share"] == pytest.approx((labels == one["index"]).mean())
        assert one["color"] == colors[one["index"]].tolist()
        assert one["score"] == line["scores"].get(one["name"])
    assert (record["unlabeled"], record["threshold"], record["negatives"]) == (3, 0.6, ["grass"])
    segmenter = Segmenter.load(demo_bundles["onnx"], digest=record["bundle"]["digest"])
    again = segmenter(
        images / "a.png",
        [one["name"] for one in record["classes"][:3]],
        threshold=record["threshold"],
        negatives=record["negatives"],
        templates=record["templates"],
    )
    np.testing.assert_array_equal(again.labels, labels)
    assert 0.01 < record["classes"][3]["share"] < 0.99


def test_pictures_of_scores_and_groups(segment: Any, images: Path, tmp_path: Path) -> None:
    shown = "overlay,heatmap:sky,heatmap:grass,confidence,groups,groups:1"
    segment(images / "a.png", "--show", shown, "--negatives", "grass")
    made = {path.name for path in (tmp_path / "out").glob("*.png")}
    kinds = ("labels", "overlay", "heatmap-sky", "heatmap-grass", "confidence", "groups", "groups-1")
    assert made == {f"a.{kind}.png" for kind in kinds}
    pixels = {label_map(tmp_path / "out" / name).tobytes() for name in made}
    assert len(pixels) == len(kinds)
    # None of them is taken for an image of the next run.
    shutil.copytree(tmp_path / "out", images / "results")
    assert "no images" in segment(images / "results", code=1)[1]


def test_one_name_is_told_of_its_alternatives(segment: Any, images: Path) -> None:
    ((line,), said) = segment(images / "a.png", labels="sky")
    assert line["shares"] == {"sky": 1.0} and "--threshold 0.5" in said and "--negatives" in said
    ((line,), said) = segment(images / "a.png", "--threshold", "0.5", "--force", labels="sky")
    assert 0 < line["shares"]["unlabeled"] < 1 and "--negatives" not in said
    background = ("--decode", "paper", "--background-threshold", "0.5", "--force")
    assert "--negatives" not in segment(images / "a.png", *background, labels="sky")[1]


def test_labels_come_from_standard_input_and_images_by_a_pattern(
    segment: Any, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"sky\r\ntree\n")))
    lines, _ = segment(images / "**" / "a.*", "--labels-file", "-", labels=None)
    assert [line["image"] for line in lines] == [str(images / "a.png"), str(images / "below" / "a.png")]
    assert lines[0]["names"] == ["sky", "tree"]
    assert "pattern" in segment(images / "*.jpg", code=1)[1]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--format", "pascal"], "png npz coco labelme"),
        (["--format", "png,png"], "twice"),
        (["--show", "mask"], "heatmap:NAME"),
        (["--show", "heatmap"], "heatmap:NAME"),
        (["--show", "heatmap:dog"], "one of sky, tree, water"),
        (["--min-area", "5"], "--objects"),
        (["--threshold", "40"], "threshold"),
        (["--format", "mp4"], "videos alone"),
        (["--frames", "3"], "--format mp4"),
    ],
)
def test_what_cannot_be_meant_is_refused(segment: Any, images: Path, options: list[str], said: str) -> None:
    lines, message = segment(images / "a.png", *options, code=1 if "dog" in options[1] else 2)
    assert said in message and lines[0]["error"]


class Camera:
    """What OpenCV gives of a device: no rate, no number of frames, no end until Ctrl-C."""

    def __init__(self, index: int, frame: np.ndarray, until: int) -> None:
        assert index == 3
        self.frame, self.left, self.released = frame, until, False

    def isOpened(self) -> bool:
        return True

    def get(self, prop: int) -> float:
        return {cv2.CAP_PROP_FPS: 0.0, cv2.CAP_PROP_FRAME_COUNT: -1.0}[prop]

    def read(self) -> tuple[bool, np.ndarray]:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return True, self.frame.copy()

    def release(self) -> None:
        self.released = True


@pytest.mark.parametrize(("until", "options", "frames"), [(5, [], 5), (99, ["--frames", "4"], 4)])
def test_a_camera_is_filmed_until_it_is_interrupted(
    segment: Any,
    images: Path,
    monkeypatch: pytest.MonkeyPatch,
    until: int,
    options: list[str],
    frames: int,
) -> None:
    opened, capture = [], cv2.VideoCapture
    frame = np.array(Image.open(images / "a.png").convert("RGB"))[..., ::-1]

    def open_camera(index: int) -> Camera:
        opened.append(Camera(index, frame, until))
        return opened[-1]

    monkeypatch.setattr(cv2, "VideoCapture", open_camera)
    ((line,), _) = segment("camera:3", "--format", "mp4", *options)
    assert (
        line["frames"] == frames
        and opened[0].released
        and Path(line["overlay"]).name == "camera-3.overlay.mp4"
    )
    made = capture(line["overlay"])
    assert made.get(cv2.CAP_PROP_FRAME_COUNT) == frames and made.get(cv2.CAP_PROP_FPS) == pytest.approx(25)


def test_a_camera_that_is_interrupted_before_its_first_frame_leaves_nothing(
    segment: Any, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cv2, "VideoCapture", lambda index: Camera(index, np.zeros((8, 8, 3), np.uint8), 0))
    segment("camera:3", "--format", "mp4", code=130)
    assert [path for path in tmp_path.rglob("*") if "camera" in path.name or path.suffix == ".mp4"] == []


def test_a_video_is_overlaid_frame_by_frame(segment: Any, images: Path, tmp_path: Path) -> None:
    film = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter.fourcc(*"MJPG"), 12, (223, 224))
    frame = np.array(Image.open(images / "a.png").convert("RGB"))[:, :223, ::-1]
    for _ in range(11):
        writer.write(frame)
    writer.release()
    ((line,), _) = segment(film, "--format", "mp4", "--frames", "10")
    assert line["frames"] == 10 and line["names"] == LABELS.split(",")
    assert sum(line["shares"].values()) == pytest.approx(1)
    made = cv2.VideoCapture(line["overlay"])
    assert made.get(cv2.CAP_PROP_FPS) == pytest.approx(12)
    frames = [made.read()[1] for _ in range(10)]
    assert not made.read()[0]
    assert frames[0].shape[0] % 2 == 0 and frames[0].shape[1] == 480
    # The frame lies in the middle, and below it the legend on white.
    colored = frames[9][:224, 128:351].astype(int)
    assert 5 < np.abs(colored - frame).mean() < 80
    assert frames[9][226:, :, :].mean() > 200
    assert list((tmp_path / "out").iterdir()) == [Path(line["overlay"])]
    assert "exists already" in segment(film, "--format", "mp4", code=1)[1]
    assert "add --format mp4" in segment(film, code=2)[1]
    film.write_bytes(b"no video")
    assert "cannot be read" in segment(film, "--format", "mp4", "--force", code=1)[1]
