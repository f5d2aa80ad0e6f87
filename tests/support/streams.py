"""Two streams at once, in a fresh process: workers of tests have one processor, and OpenVINO counts once."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import ParamSpec, TypeVar

import numpy as np
from cpp_runtime import CppSegmenter, Library
from numpy.typing import NDArray

from groupvit_runtime import Segmenter
from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.manifest import read_manifest

P = ParamSpec("P")
R = TypeVar("R")
Outputs = dict[str, NDArray[np.float32]]


def on_all_processors(call: Callable[P, R], *arguments: P.args, **options: P.kwargs) -> R:
    """What `call`, a function of a module, returns in a fresh process that may use every processor."""
    with ProcessPoolExecutor(1, get_context("spawn"), _use_all) as pool:
        return pool.submit(call, *arguments, **options).result()


def _use_all() -> None:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))


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
    library: Path, bundle: Path, picture: NDArray[np.uint8], labels: list[str]
) -> tuple[tuple[str, NDArray[np.uint16]], tuple[str, NDArray[np.uint16]]]:
    """Description and label map of the C++ runtime and of the Python one, two streams each."""
    cpp = CppSegmenter(Library(library), bundle, streams=2, threads=2)
    python = Segmenter.load(bundle, streams=2, threads=2)
    mine = cpp.segment(picture, cpp.encode(labels)).labels
    return (cpp.engine, mine), (python.engine_description, python(picture, labels).labels)
