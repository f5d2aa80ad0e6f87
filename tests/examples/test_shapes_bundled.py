"""The pictures of the package are those that the world draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from examples.shapes.bundled import SCENES_FOLDER, main
from groupvit_export.demo import DEMO_SAMPLE


def test_they_can_be_drawn_again(tmp_path: Path) -> None:
    assert main(["--scenes", str(tmp_path), "--sample", str(tmp_path / "sample.png")]) == 0
    shipped = sorted(SCENES_FOLDER.iterdir())
    assert [path.name for path in shipped] == sorted(path.name for path in tmp_path.glob("*.jpg"))
    for path in shipped:
        # Another libjpeg may round otherwise.
        ours, theirs = (np.asarray(Image.open(p), np.int16) for p in (path, tmp_path / path.name))
        assert np.abs(ours - theirs).max() <= 8
    sample, drawn = (np.asarray(Image.open(path)) for path in (DEMO_SAMPLE, tmp_path / "sample.png"))
    np.testing.assert_array_equal(sample, drawn)
