"""The images of the package are those that the world draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from examples.shapes.bundled import main
from groupvit_export.data.bundled import DEMO_SAMPLE, DEMO_SCENES
from groupvit_export.data.datasets import DatasetOptions, load_dataset
from groupvit_export.data.truth import read_truth


def test_they_can_be_drawn_again(tmp_path: Path) -> None:
    assert main(["--scenes", str(tmp_path / "scenes"), "--sample", str(tmp_path / "sample.png")]) == 0
    shipped, drawn = (
        {p.relative_to(root).as_posix(): p for p in root.rglob("*") if p.is_file()}
        for root in (DEMO_SCENES, tmp_path / "scenes")
    )
    assert sorted(shipped) == sorted(drawn)
    for name, path in shipped.items():
        if name == "classes.txt":
            assert path.read_text() == drawn[name].read_text()
            continue
        ours, theirs = (np.asarray(Image.open(p), np.int16) for p in (path, drawn[name]))
        # Another libjpeg may round otherwise.
        assert np.abs(ours - theirs).max() <= (8 if name.endswith(".jpg") else 0)
    sample, again = (np.asarray(Image.open(path)) for path in (DEMO_SAMPLE, tmp_path / "sample.png"))
    np.testing.assert_array_equal(sample, again)


def test_they_are_a_data_set_with_truth() -> None:
    dataset = load_dataset("folder", DEMO_SCENES, DatasetOptions())
    assert not dataset.background
    seen = set()
    for sample in dataset.samples:
        truth = read_truth(sample, dataset, (224, 224))
        assert truth.max() < len(dataset.classes)
        seen |= set(np.unique(truth).tolist())
    assert seen == set(range(len(dataset.classes)))
