"""A bundle of this toolkit as a side."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.sides import ENGINE_OUTPUTS, LabelMap, Outputs, Side
from groupvit_runtime import Segmenter, Vocabulary


def our_side(
    bundle: Path, image: Path, words: Vocabulary, pixels: NDArray[np.float32], threads: int | None
) -> Side:
    """The bundle with a cached vocabulary.

    Args:
        bundle: its folder.
        image: a JPEG file.
        words: class names, encoded.
        pixels: float32 [1, 3, 224, 224], for the engine alone.
        threads: of the engine; None for its own choice.
    """
    start = time.perf_counter()
    segmenter = Segmenter.load(bundle, threads=threads, decode="hf")
    setup_s = time.perf_counter() - start
    # The engine alone is no part of the public interface: nobody but a benchmark wants it.
    run = segmenter._image.run

    def label_image() -> LabelMap:
        return segmenter(image, words).labels

    def engine() -> object:
        return run(pixels)

    def outputs() -> Outputs:
        found = run(pixels)
        return {name: found[name].astype(np.float32) for name in ENGINE_OUTPUTS}

    return Side(label_image, engine, outputs, segmenter.engine_description, setup_s)
