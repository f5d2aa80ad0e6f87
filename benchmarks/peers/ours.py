"""A bundle of this toolkit as a side."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from benchmarks.peers.material import INPUT, Material
from benchmarks.peers.sides import ENGINE_OUTPUTS, LabelMap, Outputs, Side
from groupvit_runtime import Segmenter, Vocabulary
from groupvit_runtime.read_image import read_image


def our_side(material: Material, name: str, threads: int | None) -> Side:
    """A bundle with a cached vocabulary, as its runtime runs it if nothing is said.

    Args:
        material: that has the bundle.
        name: of `BUNDLES`.
        threads: of the engine; None for its own choice.
    """
    start = time.perf_counter()
    segmenter = Segmenter.load(material.bundle(name), threads=threads, decode="hf")
    words = Vocabulary.load(material.vocabulary(name))
    setup_s = time.perf_counter() - start
    # The engine alone is no part of the public interface: nobody but a benchmark wants it.
    run = segmenter._image.run
    image = material.image
    preprocessing = segmenter.manifest.preprocessing.hf
    pixels = segmenter._image.whole([read_image(image)], (INPUT, INPUT), preprocessing)

    def label(path: Path) -> LabelMap:
        return segmenter(path, words).labels

    def outputs() -> Outputs:
        found = run(pixels)
        return {name: found[name].astype(np.float32) for name in ENGINE_OUTPUTS}

    calls = {"image": lambda: label(image), "engine": lambda: run(pixels)}
    return Side(calls, label, outputs, segmenter.engine_description, setup_s)
