"""The worst images: which files there are, and what is on them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from evaluation_support import CLASSES, FakePrediction, FakeSegmenter, dataset_of, make_dataset
from PIL import Image

from groupvit_export.data.dataset import Dataset, Sample
from groupvit_export.evaluate.tally import Ranked
from groupvit_export.evaluate.worst import clear_worst, draw, draw_worst
from groupvit_runtime.colors import colors_of


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return make_dataset(tmp_path, 3)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "worst").iterdir())


def test_files_are_named_by_rank_and_miou_and_key(dataset: Dataset, tmp_path: Path) -> None:
    out = tmp_path / "out"
    drawn = draw_worst(dataset, FakeSegmenter(), [Ranked(0.0512, "002"), Ranked(1.0, "000")], out, print)
    assert names(out) == ["01-05.12-002.png", "02-100.00-000.png"]
    assert [item.file for item in drawn] == ["worst/01-05.12-002.png", "worst/02-100.00-000.png"]
    with Image.open(out / "worst" / "01-05.12-002.png") as image:
        assert image.mode == "RGB"


def test_what_is_there_is_left_and_what_is_no_longer_among_them_removed(
    dataset: Dataset, tmp_path: Path
) -> None:
    draw_worst(dataset, FakeSegmenter(), [Ranked(0.1, "002"), Ranked(0.2, "000")], tmp_path, print)
    (tmp_path / "worst" / "notes.txt").write_text("mine")
    segment = FakeSegmenter()
    draw_worst(dataset, segment, [Ranked(0.1, "002"), Ranked(0.15, "001")], tmp_path, print)
    assert names(tmp_path) == ["01-10.00-002.png", "02-15.00-001.png", "notes.txt"]
    assert segment.seen == [1]
    clear_worst(tmp_path)
    assert names(tmp_path) == ["notes.txt"]


def test_none_wanted_makes_no_folder(dataset: Dataset, tmp_path: Path) -> None:
    assert draw_worst(dataset, FakeSegmenter(), [], tmp_path, print) == ()
    clear_worst(tmp_path)
    assert not (tmp_path / "worst").exists()


@pytest.mark.parametrize("key", ["a/b c", "../../escape", "ü\n", "x" * 300, ".", "-"])
def test_any_key_makes_a_file_name_inside_the_folder(dataset: Dataset, tmp_path: Path, key: str) -> None:
    odd = dataset_of([replace(dataset.samples[0], key=key)], tmp_path)
    (item,) = draw_worst(odd, FakeSegmenter(), [Ranked(0.5, key)], tmp_path / "out", print)
    assert item.key == key
    (path,) = (tmp_path / "out" / "worst").iterdir()
    assert item.file == f"worst/{path.name}"
    clear_worst(tmp_path / "out")
    assert not path.exists()


def test_a_image_that_has_gone_is_told(dataset: Dataset, tmp_path: Path) -> None:
    dataset.samples[1].image.unlink()
    notes: list[str] = []
    drawn = draw_worst(
        dataset, FakeSegmenter(), [Ranked(0.1, "001"), Ranked(0.2, "002")], tmp_path / "out", notes.append
    )
    assert [item.file for item in drawn] == [None, "worst/02-20.00-002.png"]
    assert len(notes) == 1 and str(dataset.samples[1].image) in notes[0]


def test_truth_and_prediction_have_the_same_colors(tmp_path: Path) -> None:
    """Left half class 1, right half class 2; predicted the other way round; a corner is ignored."""
    size = 320
    truth = np.ones((size, size), np.uint8)
    truth[:, size // 2 :] = 2
    guess = 3 - truth
    mask = truth.copy()
    mask[:40, :40] = 255
    sample = Sample("s", tmp_path / "s.png", tmp_path / "m.png")
    Image.fromarray(np.stack([guess, 0 * guess, 0 * guess], axis=2)).save(sample.image)
    Image.fromarray(mask).save(sample.mask)

    image = np.asarray(draw(sample, dataset_of([sample], tmp_path), FakeSegmenter())).astype(int)
    colors = colors_of(CLASSES, background=0)
    # The image is almost black, and no text begins at the very border.
    top = int(np.flatnonzero((image[:, 1] < 50).all(axis=1))[0])
    panels = [image[top : top + size, start : start + size] for start in (0, size + 8, 2 * size + 16)]
    assert all(panel.max() <= 255 and panel.shape == (size, size, 3) for panel in panels)
    shown, true, predicted = panels
    assert shown[200, 100].max() <= 3
    for panel, (left, right) in ((true, (1, 2)), (predicted, (2, 1))):
        assert panel[200, 80] == pytest.approx(colors[left] * 0.7, abs=2)
        assert panel[200, 240] == pytest.approx(colors[right] * 0.7, abs=2)
    corner = true[5:35, 5:35]
    # Gray and striped: equal channels, two tones.
    assert (corner == corner[..., :1]).all()
    assert len(np.unique(corner)) == 2
    assert not (predicted[5:35, 5:35] == predicted[5:35, 5:35, :1]).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 900), (2000, 3), (40, 60), (1200, 1600)])
def test_any_size_can_be_drawn(tmp_path: Path, size: tuple[int, int]) -> None:
    sample = make_dataset(tmp_path, 1, size=size).samples[0]
    image = draw(sample, dataset_of([sample], tmp_path), FakeSegmenter())
    assert image.width <= 3 * 960 + 16
    assert min(image.size) > 50


def test_a_image_that_is_ignored_altogether(tmp_path: Path) -> None:
    sample = Sample("s", tmp_path / "s.png", tmp_path / "m.png")
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(sample.image)
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(sample.mask)

    def segment(rgb: np.ndarray) -> FakePrediction:
        return FakePrediction(np.ones(rgb.shape[:2], np.uint16), CLASSES)

    assert draw(sample, dataset_of([sample], tmp_path), segment).mode == "RGB"
