"""The peer's loop over windows gives the label map of the bundle."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from verifying import demo_subject

from benchmarks.windows import eager_windows
from groupvit_export.data.bundled import DEMO_LABELS
from groupvit_runtime import Segmenter


@pytest.mark.parametrize("size", [(90, 160), (200, 100)])
def test_the_eager_loop_gives_our_label_map(demo_bundles, tmp_path: Path, size):
    image = tmp_path / "image.png"
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    rgb = np.stack([x * 255 // size[1], y * 255 // size[0], (x + y) % 256], axis=-1).astype(np.uint8)
    Image.fromarray(rgb).save(image)
    segmenter = Segmenter.load(demo_bundles["openvino"])
    words = segmenter.vocabulary(DEMO_LABELS)
    ours = segmenter(image, words, decode="paper").labels
    theirs = eager_windows(demo_subject().model, segmenter.manifest, words.embeddings, image)
    assert len(np.unique(ours)) > 1
    assert (ours == theirs).mean() > 0.995
