"""Memory of one segmenter that many threads call at once, in the C++ and the Python runtime.

Usage: python -m benchmarks.callers BUNDLE [--library build/cpp/libgroupvit.so] [--decode paper]
Prints MiB that are resident: with the segmenter and a vocabulary loaded, after one call, after every caller's
calls, and at most; and calls a second of all callers together. Without a library it is the Python runtime.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from groupvit_export.benchmark.c_interface import CppSegmenter, Library
from groupvit_runtime import Segmenter
from groupvit_runtime.vocabulary import Vocabulary

SIZE = (480, 640)

Call = Callable[[], object]


def _memory(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    (found,) = (line.split()[1] for line in lines if line.startswith(f"{field}:"))
    return int(found) // 1024


def _python(bundle: Path, vocabulary: Path, decode: str | None) -> tuple[str, Call]:
    segmenter = Segmenter.load(bundle, decode=decode)
    words = Vocabulary.load(vocabulary)
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    return segmenter.engine_description, lambda: segmenter(pixels, words)


def _cpp(library: Path, bundle: Path, vocabulary: Path, decode: str | None) -> tuple[str, Call]:
    segmenter = CppSegmenter(Library(library), bundle, decode=decode)
    words = segmenter.open_file(vocabulary)
    pixels = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)
    return segmenter.engine, lambda: segmenter.segment_into(pixels, words, np.empty(SIZE, np.uint16))


def _all_at_once(call: Call, callers: int, calls: int) -> float:
    """Seconds until every one of `callers` threads has called so often."""
    start = threading.Barrier(callers + 1)

    def caller() -> None:
        start.wait()
        for _ in range(calls):
            call()

    threads = [threading.Thread(target=caller) for _ in range(callers)]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--vocabulary", type=Path, required=True, help="a file of `groupvit vocab`")
    parser.add_argument("--library", type=Path)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--calls", type=int, default=4)
    parser.add_argument("--decode", choices=["hf", "paper"], help="the bundle's own, if nothing is said")
    given = parser.parse_args()
    place = (given.bundle, given.vocabulary, given.decode)
    name, call = _python(*place) if given.library is None else _cpp(given.library, *place)
    loaded = _memory("VmRSS")
    call()
    once = _memory("VmRSS")
    seconds = _all_at_once(call, given.callers, given.calls)
    print(
        f"{name}: loaded {loaded}, after one call {once}, after {given.callers} callers {_memory('VmRSS')}, "
        f"at most {_memory('VmHWM')} MiB; {given.callers * given.calls / seconds:.1f} calls a second"
    )


if __name__ == "__main__":
    main()
