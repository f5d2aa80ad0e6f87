"""A run of `groupvit segment` that was stopped goes on: what is there is neither lost nor done twice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from groupvit_export.cli import main
from groupvit_export.cli.segment_journal import JOURNAL_NAME
from groupvit_runtime import Segmenter

Folder = tuple[Path, Path]


@pytest.fixture
def folder(scenes: Any, tmp_path: Path) -> Folder:
    """Images, and where the results go."""
    images = tmp_path / "images"
    images.mkdir()
    for index in range(3):
        shutil.copy(scenes.image(index), images)
    return images, tmp_path / "out"


@pytest.fixture
def segment(demo_bundles: Mapping[str, Path], folder: Folder, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*options: str, labels: str = "sky,tree", code: int = 0) -> tuple[int, str]:
        """How many images were segmented, and what was said."""
        images, output = folder
        command = ["segment", str(demo_bundles["onnx"]), str(images), "--labels", labels, "-o", str(output)]
        assert main([*command, "--json", *options]) == code
        told = capsys.readouterr()
        return sum("shares" in json.loads(line) for line in told.out.splitlines()), told.err

    return run


def results(output: Path) -> dict[str, bytes]:
    return {
        path.name: path.read_bytes()
        for path in output.iterdir()
        if path.is_file() and path.name != JOURNAL_NAME
    }


def test_what_is_complete_is_left_and_counted(segment: Any, folder: Folder) -> None:
    assert segment()[0] == 3
    whole = results(folder[1])
    count, said = segment()
    assert count == 0 and "3 of 3 images are done already; --force" in said
    assert segment("--force")[0] == 3
    assert results(folder[1]) == whole and len(whole) == 9


@pytest.mark.parametrize("lost", ["labels", "overlay", "half a label map", "nothing in an overlay", "both"])
def test_what_is_missing_or_cut_off_is_done_anew(segment: Any, folder: Folder, lost: str) -> None:
    segment()
    whole = results(folder[1])
    labels, overlay = (sorted(folder[1].glob(f"*.{kind}.png"))[1] for kind in ("labels", "overlay"))
    if lost in ("labels", "both"):
        labels.unlink()
    if lost in ("overlay", "both"):
        overlay.unlink()
    if lost == "half a label map":
        labels.write_bytes(labels.read_bytes()[:50])
    if lost == "nothing in an overlay":
        overlay.write_bytes(b"")
    assert segment()[0] == 1
    assert results(folder[1]) == whole


def test_an_image_that_changed_is_done_anew(segment: Any, folder: Folder) -> None:
    segment()
    first, second, _ = sorted(folder[0].iterdir())
    shutil.copy(first, second)
    assert segment()[0] == 1
    made = results(folder[1])
    assert made[f"{first.stem}.labels.png"] == made[f"{second.stem}.labels.png"]


def test_half_a_line_of_the_journal_costs_no_more_than_its_image(segment: Any, folder: Folder) -> None:
    segment()
    journal = folder[1] / JOURNAL_NAME
    last = sorted(folder[0].iterdir())[-1]
    for path in folder[1].glob(f"{last.stem}.*"):
        path.unlink()
    journal.write_bytes(journal.read_bytes()[:-100])
    assert segment()[0] == 1
    assert segment()[0] == 0


@pytest.mark.parametrize(
    "options", [{"labels": "sky,water"}, {"options": ["--gray-labels"]}, {"options": ["--decode", "paper"]}]
)
def test_results_of_other_options_are_refused(segment: Any, folder: Folder, options: Any) -> None:
    segment()
    whole = results(folder[1])
    own = options.pop("options", [])
    count, said = segment(*own, code=1, **options)
    assert count == 0 and "with other options" in said and "--force" in said
    assert results(folder[1]) == whole
    assert segment(*own, "--force", **options)[0] == 3


def test_what_somebody_worked_on_is_refused(segment: Any, folder: Folder) -> None:
    segment()
    first, second, _ = sorted(folder[1].glob("*.labels.png"))
    shutil.copy(first, second)
    count, said = segment(code=1)
    assert count == 0 and f"{second}, changed since it was written" in said
    assert second.read_bytes() == first.read_bytes()


def test_what_no_journal_knows_is_refused_before_anything_is_loaded(segment: Any, folder: Folder) -> None:
    segment()
    (folder[1] / JOURNAL_NAME).unlink()
    assert "of another origin" in segment(code=1)[1]


def test_another_image_is_added(segment: Any, folder: Folder, scenes: Any) -> None:
    segment()
    shutil.copy(scenes.image(7), folder[0])
    assert segment()[0] == 1


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_many_images_are_segmented_at_once_and_each_as_alone(
    target: str, demo_bundles: Mapping[str, Path], folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    load = Segmenter.load

    def spied(*given: Any, **options: Any) -> Segmenter:
        asked.append(options["performance"])
        return load(*given, **options)

    monkeypatch.setattr(Segmenter, "load", spied)
    images, output = folder
    command = ["segment", str(demo_bundles[target]), "--labels", "sky,tree", "--quiet", "-o"]
    assert main([*command, str(output), str(images)]) == 0
    for image in sorted(images.iterdir()):
        assert main([*command, str(output / "alone"), str(image)]) == 0
    assert asked == ["throughput", None, None, None]
    alone = {name: data for name, data in results(output / "alone").items() if name.endswith(".png")}
    assert len(alone) == 6 and alone.items() <= results(output).items()
