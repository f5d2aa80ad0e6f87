"""The report: what is in the file, and what is printed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_support import CLASSES, dataset_of, make_identity

from groupvit_export.cli.eval_report import report_blocks
from groupvit_export.cli.tables import plain
from groupvit_export.data.dataset import Sample
from groupvit_export.evaluate.options import EvalOptions, Request
from groupvit_export.evaluate.outcome import Failed, Measured, Run
from groupvit_export.evaluate.report import Report, make_report
from groupvit_export.evaluate.setting import Choices
from groupvit_export.evaluate.tally import Tally
from groupvit_export.evaluate.worst import Drawn
from groupvit_runtime.open_bundle import open_bundle
from groupvit_runtime.serialize import from_json

BUNDLES_OWN = Choices("bundle", None, None, None)


def asked(root: Path, limit: int | None = None) -> Request:
    return Request(EvalOptions(bundle="demo", dataset="folder", root=str(root), limit=limit), "command", "/")


@pytest.fixture
def report(demo_bundles: Mapping[str, Path], tmp_path: Path) -> Report:
    """Three of four images wanted, of which one failed."""
    keys = ("a", "b", "c", "d")
    dataset = dataset_of([Sample(key, Path(key), Path(key)) for key in keys], tmp_path)
    tally = Tally(len(CLASSES), set(keys[:3]), worst=1)
    tally.add(Failed("c", "cannot be read", "nothing at c.png", "a file", None))
    tally.add(Measured("a", ((0, 0, 6), (1, 1, 1)), 3, True, 10.0))
    tally.add(Measured("b", ((0, 0, 1), (1, 0, 1), (2, 2, 2)), 11, False, 20.0))
    tally.add(Run(1, 4.0, 1, None))
    tally.add(Run(1, 0.5, 2, 1))
    manifest = open_bundle(demo_bundles["onnx"]).manifest
    return make_report(
        dataset,
        tally,
        (Drawn("b", 0.5, "worst/b"),),
        make_identity(),
        manifest.engine("image"),
        choices=BUNDLES_OWN,
        request=asked(tmp_path, limit=3),
    )


def test_what_was_measured(report: Report) -> None:
    assert report.classes[0].iou == 7 / 8
    assert report.classes[1].iou == 1 / 2
    assert report.classes[2].iou == 1
    assert report.classes[3].iou is None
    assert report.miou == pytest.approx((7 / 8 + 1 / 2 + 1) / 3)
    assert report.pixel_accuracy == 10 / 11
    assert report.subsets["animals"].classes == ("cat", "dog", "owl")
    assert report.subsets["animals"].miou == pytest.approx(3 / 4)
    assert (report.classes[1].truth_pixels, report.classes[1].predicted_pixels) == (2, 1)
    assert np.array(report.confusion).sum() == report.pixels == 11
    assert (report.ignored_pixels, report.ignored_share) == (14, 14 / 25)
    assert report.images.turned == 1
    assert report.speed.images_per_second == 2
    assert report.speed.mean_milliseconds == 15
    assert report.target == "onnx" and report.precision == "fp32"


def test_the_file_can_be_read_back(report: Report, tmp_path: Path) -> None:
    path = report.write(tmp_path)
    value = json.loads(path.read_text(encoding="utf-8"), parse_constant=pytest.fail)
    assert from_json(Report, value, "report") == report
    assert [entry.name for entry in tmp_path.iterdir()] == ["report.json"]


def test_what_is_printed(report: Report) -> None:
    assert plain(report_blocks(report)).splitlines() == [
        "class          IoU  accuracy  truth pixels  predicted pixels",
        "-" * 60,
        "background   87.50    100.00             7                 8",
        "cat          50.00     50.00             2                 1",
        "dog         100.00    100.00             2                 2",
        "owl              -         -             0                 0",
        "",
        "mIoU              79.17",
        "mIoU of animals   75.00",
        "pixel accuracy    90.91",
        "mean accuracy     83.33",
        "images           partial: 2 of 4 images (limited to 3, 1 failed)",
        "ignored          14 pixels, 56.00 % of all",
        "speed            2.0 images/s (workers 2, threads 1)",
        "decode           hf",
        'templates        "a photo of {}" (the bundle\'s)',
        "engine           none",
    ]


def test_a_complete_evaluation_does_not_say_partial(report: Report) -> None:
    images = replace(report.images, total=2, wanted=2, failed=0)
    text = plain(report_blocks(replace(report, partial=images.partial, images=images, failed=())))
    assert "partial" not in text and "could not" not in text
    assert "images           2, all of folder" in text


@pytest.mark.parametrize(
    ("choices", "threshold", "says"),
    [
        (BUNDLES_OWN, None, ['templates        "a photo of {}" (the bundle\'s)']),
        (Choices("command line", None, None, None), None, ["(--templates, in place of the bundle's)"]),
        (
            Choices("command line", ("a {}.", "{}", "the {}"), "command line", 0.95),
            0.3,
            [
                '"a photo of {}" (--templates; the data set\'s own: "a {}.", "{}" and 1 more)',
                "below 0.3 (--background-threshold; the data set's own: 0.95)",
            ],
        ),
        (
            Choices("command line", ("a photo of {}",), "command line", 0.3),
            0.3,
            [
                "(--templates, as the data set's own)",
                "below 0.3 (--background-threshold, as the data set's own)",
            ],
        ),
        (Choices("data set", ("a photo of {}",), "data set", 0.3), 0.3, ["below 0.3 (the data set's)"]),
    ],
)
def test_it_is_said_where_templates_and_threshold_are_from(
    report: Report, choices: Choices, threshold: float | None, says: list[str]
) -> None:
    identity = replace(report.identity, background_threshold=threshold)
    text = plain(report_blocks(replace(report, choices=choices, identity=identity)))
    assert all(words in text for words in says)
    assert ("background " in text.split("mean accuracy")[1]) == (choices.threshold is not None)


def test_a_name_that_is_no_unicode(report: Report, tmp_path: Path) -> None:
    failed = replace(report, failed=(Failed("caf\udce9", "cannot be read", None, None, None),))
    (entry,) = json.loads(failed.write(tmp_path).read_text(encoding="utf-8"))["failed"]
    assert entry["key"] == "caf\udce9"


def test_nothing_measured(demo_bundles: Mapping[str, Path], tmp_path: Path) -> None:
    manifest = open_bundle(demo_bundles["onnx"]).manifest
    dataset = dataset_of([Sample("a", Path("a"), Path("a"))], tmp_path)
    tally = Tally(len(CLASSES), {"a"}, worst=1)
    tally.add(Failed("a", "cannot be read", None, None, None))
    empty = make_report(
        dataset,
        tally,
        (),
        make_identity(),
        manifest.engine("image"),
        choices=BUNDLES_OWN,
        request=asked(tmp_path),
    )
    assert (empty.miou, empty.speed.images_per_second) == (None, None)
    lines = [line.split() for line in plain(report_blocks(empty)).splitlines()]
    assert ["mIoU", "-"] in lines and ["pixel", "accuracy", "-"] in lines
    json.loads(empty.write(tmp_path).read_text(), parse_constant=pytest.fail)


def test_a_failure_is_one_line_whatever_the_error_says() -> None:
    assert Failed("a\nb", "two\nlines", "got\n  this", None, "fix").line == "a b: two lines (got got this)"
