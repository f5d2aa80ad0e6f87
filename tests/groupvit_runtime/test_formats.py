"""Files for other programs, opened by those programs' own libraries and compared with the label map.

Programs that are too large for this environment have one of their own: test_formats_elsewhere.py.
"""

from __future__ import annotations

import base64
import io
import json
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
import shapely
import supervision
import yaml
from made_results import NAMES, blobs, made_result
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from shapely.geometry import shape

from groupvit_runtime.errors import MissingDependencyError, UsageError
from groupvit_runtime.formats import FORMATS, encode
from groupvit_runtime.formats.polygons import contour
from groupvit_runtime.formats.yolo import yolo_classes
from groupvit_runtime.objects import SegmentedObject
from groupvit_runtime.result import Segmentation

Mask = NDArray[np.bool_]


@pytest.fixture(params=[0.0, 0.8, 2.0, 5.0])
def result(request: pytest.FixtureRequest) -> Segmentation:
    """From single pixels that touch at corners to large regions; up to the edges, and one with holes."""
    labels = blobs(7, (61, 83), smooth=request.param)
    labels[20:44, 30:60] = 2
    labels[24:30, 33:40] = labels[35:40, 45:58] = labels[31:33, 34] = 0
    return made_result(labels)


def same_objects(found: list[tuple[str, Mask]], objects: tuple[SegmentedObject, ...]) -> None:
    assert [name for name, _ in found] == [item.name for item in objects] != []
    for (_, mask), item in zip(found, objects, strict=True):
        np.testing.assert_array_equal(mask, item.mask)


def test_coco_is_read_by_pycocotools_to_the_pixel(result: Segmentation, tmp_path: Path) -> None:
    result.save_as(tmp_path / "a.json", "coco", image="images/a.jpg")
    coco = COCO(tmp_path / "a.json")
    annotations = coco.loadAnns(coco.getAnnIds())
    (listed,) = coco.loadImgs(coco.getImgIds())
    assert (listed["file_name"], listed["height"], listed["width"]) == ("a.jpg", 61, 83)
    names = {category["id"]: category["name"] for category in coco.loadCats(coco.getCatIds())}
    assert list(names.values()) == list(NAMES)
    objects = result.objects()
    same_objects([(names[one["category_id"]], coco.annToMask(one) == 1) for one in annotations], objects)
    for one, item in zip(annotations, objects, strict=True):
        expected = coco_mask.encode(np.asfortranarray(item.mask, np.uint8))
        assert one["segmentation"]["counts"].encode() == expected["counts"]
        assert one["area"] == coco_mask.area(expected) and one["bbox"] == coco_mask.toBbox(expected).tolist()
        assert one["score"] == pytest.approx(item.score, abs=1e-6)


def test_supervision_has_boxes_masks_and_names(result: Segmentation) -> None:
    detections = result.to_supervision()
    assert isinstance(detections, supervision.Detections)
    objects = result.objects()
    same_objects(list(zip(detections.data["class_name"], detections.mask, strict=True)), objects)
    # supervision's own boxes end at the last pixel; ours, as those it reads of COCO, after it.
    last_pixels = supervision.mask_to_xyxy(detections.mask)
    np.testing.assert_array_equal(detections.xyxy - np.array([0, 0, 1, 1]), last_pixels)
    np.testing.assert_allclose(detections.confidence, [item.score for item in objects], atol=1e-6)
    assert len(result.to_supervision(())) == 0


def test_geojson_is_polygons_with_holes_to_shapely(result: Segmentation) -> None:
    features = json.loads(encode(result, "geojson"))["features"]
    holes = 0
    for feature, item in zip(features, result.objects(), strict=True):
        polygon = shape(feature["geometry"])
        assert polygon.is_valid and polygon.area == item.area == feature["properties"]["area"]
        assert polygon.bounds == item.corners
        # A pixel is inside where its center is.
        y, x = np.indices(item.mask.shape)
        np.testing.assert_array_equal(shapely.contains_xy(polygon, x + 0.5, y + 0.5), item.mask)
        parts = getattr(polygon, "geoms", [polygon])
        assert all(part.exterior.is_ccw for part in parts)
        holes += sum(len(part.interiors) for part in parts)
        assert feature["properties"]["classification"]["name"] == item.name
    assert holes > 0


def test_labelme_is_polygons_and_masks_where_there_are_holes(result: Segmentation, tmp_path: Path) -> None:
    """What labelme's `shape_to_mask` makes of both, by the Pillow that it draws with."""
    (tmp_path / "out").mkdir()
    result.save_as(tmp_path / "out" / "a.json", "labelme", image=tmp_path / "images" / "a.jpg")
    document = json.loads((tmp_path / "out" / "a.json").read_text())
    assert document["imagePath"] == "../images/a.jpg"
    found = []
    for one in document["shapes"]:
        canvas = Image.new("1", (83, 61))
        if one["shape_type"] == "polygon":
            assert len(one["points"]) >= 3
            ImageDraw.Draw(canvas).polygon([tuple(point) for point in one["points"]], outline=1, fill=1)
        else:
            (left, top), (right, bottom) = one["points"]
            crop = Image.open(io.BytesIO(base64.b64decode(one["mask"])))
            assert crop.size == (right + 1 - left, bottom + 1 - top)
            canvas.paste(crop, (left, top))
        found.append((one["label"], np.array(canvas)))
    assert len(found) == len(result.objects())
    for (name, mask), item in zip(found, result.objects(), strict=True):
        assert name == item.name
        assert intersection_over_union(mask, item.mask) >= (0.98 if item.area > 100 else 0.9)


def test_yolo_is_read_by_supervision_to_the_pixel(result: Segmentation, tmp_path: Path) -> None:
    for folder in ("images", "labels"):
        (tmp_path / folder).mkdir()
    Image.fromarray(result.image).save(tmp_path / "images" / "a.png")
    result.save_as(tmp_path / "labels" / "a.txt", "yolo")
    (tmp_path / "data.yaml").write_text(yolo_classes(NAMES), encoding="utf-8")
    assert yaml.safe_load((tmp_path / "data.yaml").read_text("utf-8"))["names"] == dict(enumerate(NAMES))
    dataset = supervision.DetectionDataset.from_yolo(
        images_directory_path=str(tmp_path / "images"),
        annotations_directory_path=str(tmp_path / "labels"),
        data_yaml_path=str(tmp_path / "data.yaml"),
        force_masks=True,
    )
    (detections,) = dataset.annotations.values()
    names = [dataset.classes[index] for index in detections.class_id]
    same_objects(list(zip(names, detections.mask, strict=True)), result.objects())


def test_yolo_means_the_same_pixels_to_readers_that_cut_off(result: Segmentation) -> None:
    for line, item in zip(encode(result, "yolo").decode().splitlines(), result.objects(), strict=True):
        points = np.array(line.split()[1:], np.float32).reshape(-1, 2) * np.float32([83, 61])
        ring, _ = contour(item)
        np.testing.assert_array_equal(points.astype(np.int32)[: len(ring)], ring)


def test_cvat_is_masks_by_rows_of_their_boxes(result: Segmentation) -> None:
    root = ElementTree.fromstring(encode(result, "cvat", file_name="a\x01\ud800.png"))
    listed = root.find("image")
    assert (listed.get("name"), listed.get("width"), listed.get("height")) == (
        "a\\x01\\ud800.png",
        "83",
        "61",
    )
    assert [label.findtext("name") for label in root.iter("label")] == list(NAMES)
    found = []
    for one in listed:
        left, top, width, height = (int(one.get(key)) for key in ("left", "top", "width", "height"))
        lengths = [int(length) for length in one.get("rle").split(",")]
        flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths)
        mask = np.zeros((61, 83), bool)
        mask[top : top + height, left : left + width] = flat.reshape(height, width)
        found.append((one.get("label"), mask))
    same_objects(found, result.objects())


def test_png_and_npz_have_the_label_map(result: Segmentation) -> None:
    with Image.open(io.BytesIO(encode(result, "png"))) as image:
        np.testing.assert_array_equal(np.array(image), result.labels)
    with np.load(io.BytesIO(encode(result, "npz"))) as arrays:
        np.testing.assert_array_equal(arrays["labels"], result.labels)
        np.testing.assert_array_equal(arrays["confidence"], result.confidence)
        assert arrays["names"].tolist() == list(NAMES) == arrays["score_names"].tolist()


@pytest.mark.parametrize("format", FORMATS)
def test_a_result_without_objects_is_a_file_without_any(format: str) -> None:
    result = made_result(np.zeros((5, 7), np.uint16))
    contents = encode(result, format)
    if FORMATS[format].suffix.endswith("json"):
        document = json.loads(contents)
        assert next(document[key] for key in ("annotations", "shapes", "features") if key in document) == []
    assert contents or format == "yolo"


@pytest.mark.parametrize(
    ("format", "module", "package"),
    [
        ("coco", "pycocotools", "pycocotools"),
        ("geojson", "shapely", "shapely"),
        ("yolo", "cv2", "opencv-python-headless"),
        ("labelme", "cv2", "opencv-python-headless"),
        ("supervision", "supervision", "supervision"),
        ("fiftyone", "fiftyone", "fiftyone"),
    ],
)
def test_a_missing_package_is_named(
    monkeypatch: pytest.MonkeyPatch, format: str, module: str, package: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    result = made_result(blobs(0))
    make: Any = getattr(result, f"to_{format}", lambda: encode(result, format))
    with pytest.raises(MissingDependencyError, match=f"pip install {package}"):
        make()


def test_an_unknown_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"(?s)'pascal'.*png npz coco"):
        made_result(blobs(0)).save_as(tmp_path / "a", "pascal")


def intersection_over_union(first: Mask, second: Mask) -> float:
    return float((first & second).sum() / (first | second).sum())
