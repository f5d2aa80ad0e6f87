"""One cold start, measured from inside a fresh process; prints a line of JSON.

Usage: python -m groupvit_export.benchmark.fresh '{"bundle": ..., "image": ..., "vocabulary": ...,
"device": ..., "threads": ..., "decode": ..., "library": ...}'; a library is that of the C++ runtime, null for
the Python runtime.
"""

import time

_start = time.perf_counter()

import json  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
from collections.abc import Callable  # noqa: E402
from dataclasses import dataclass  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from groupvit_export.benchmark.memory import peak_resident_mb  # noqa: E402
from groupvit_runtime import Segmenter, Vocabulary  # noqa: E402
from groupvit_runtime.errors import GroupViTError  # noqa: E402

_WARM_CALLS = 5


@dataclass(frozen=True)
class _Loaded:
    """A bundle that is loaded, when each step of it ended, in seconds, and what is left to do."""

    begun: float
    imported: float
    loaded: float
    open_words: Callable[[Path], Any]
    segment: Callable[[str, Any], object]


def _python(options: dict[str, Any]) -> _Loaded:
    imported = time.perf_counter()
    segmenter = Segmenter.load(
        options["bundle"],
        device=options["device"],
        threads=options["threads"],
        decode=options["decode"],
        precision=options["precision"],
    )
    return _Loaded(_start, imported, time.perf_counter(), Vocabulary.load, segmenter)


def _cpp(options: dict[str, Any]) -> _Loaded:
    # What Python and Pillow need to start is not the C++ runtime's: it counts from here.
    from groupvit_export.benchmark.c_interface import CppSegmenter, Library
    from groupvit_runtime.read_image import read_image

    begun = time.perf_counter()
    library = Library(options["library"])
    imported = time.perf_counter()
    segmenter = CppSegmenter(
        library,
        options["bundle"],
        device=options["device"],
        threads=options["threads"] or 0,
        decode=options["decode"],
        precision=options["precision"],
    )
    loaded = time.perf_counter()
    return _Loaded(
        begun,
        imported,
        loaded,
        segmenter.open_file,
        lambda image, words: segmenter.label_map(read_image(image), words),
    )


def main(options: dict[str, Any]) -> dict[str, float | None]:
    """Milliseconds of every step since the process was started, and the peak of its memory."""
    ready = _python(options) if options["library"] is None else _cpp(options)
    image = options["image"]
    words = ready.open_words(Path(options["vocabulary"]))
    ready.segment(image, words)
    masked = time.perf_counter()
    warm = []
    for _ in range(_WARM_CALLS):
        begin = time.perf_counter()
        ready.segment(image, words)
        warm.append((time.perf_counter() - begin) * 1000)
    return {
        "import": (ready.imported - ready.begun) * 1000,
        "load": (ready.loaded - ready.imported) * 1000,
        "first_mask": (masked - ready.loaded) * 1000,
        "total": (masked - ready.begun) * 1000,
        "warm_mask": statistics.median(warm),
        "peak_resident_mb": peak_resident_mb(),
    }


if __name__ == "__main__":
    try:
        print(json.dumps(main(json.loads(sys.argv[1]))))
    except GroupViTError as error:
        sys.exit(str(error))
