"""Two streams at once, to be called where there are two processors."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from cpp_runtime import CppSegmenter, Library
from numpy.typing import NDArray

from groupvit_runtime import Segmenter
from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.manifest import read_manifest

FOR_THROUGHPUT = -1
"""GROUPVIT_STREAMS_FOR_THROUGHPUT of groupvit.h."""

Outputs = dict[str, NDArray[np.generic]]


def python_streams(
    bundle: Path, pixels: NDArray[np.float32]
) -> tuple[str, list[Outputs], str, list[Outputs]]:
    """Description and outputs of an engine with two streams that three threads call, and of one without."""
    info = read_manifest(bundle).engine("image")
    engine = load_engine(info, bundle, EngineOptions(streams=2, threads=2))
    alone = load_engine(info, bundle, EngineOptions())
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda value: dict(engine.run({"pixel_values": value})), pixels))
    return (
        engine.description,
        found,
        alone.description,
        [dict(alone.run({"pixel_values": value})) for value in pixels],
    )


def both_with_streams(
    library: Path, bundle: Path, image: NDArray[np.uint8], labels: list[str], streams: int | None
) -> tuple[tuple[str, NDArray[np.uint16]], tuple[str, NDArray[np.uint16]]]:
    """Description and label map of the C++ runtime and of the Python one; None for throughput."""
    cpp = CppSegmenter(
        Library(library), bundle, streams=FOR_THROUGHPUT if streams is None else streams, threads=2
    )
    performance = "throughput" if streams is None else None
    python = Segmenter.load(bundle, streams=streams, threads=2, performance=performance)
    mine = cpp.segment(image, cpp.encode(labels)).labels
    return (cpp.engine, mine), (python.engine_description, python(image, labels).labels)
