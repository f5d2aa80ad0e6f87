"""One cold start, measured from inside a fresh process; prints a line of JSON.

Usage: python -m groupvit_export.benchmark.fresh '{"bundle": ..., "image": ..., "vocabulary": ...,
"device": ..., "threads": ..., "decode": ...}'
"""

import time

_start = time.perf_counter()

import json  # noqa: E402
import statistics  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402
from typing import Any  # noqa: E402

from groupvit_export.benchmark.memory import peak_resident_mb  # noqa: E402
from groupvit_runtime import Segmenter, Vocabulary  # noqa: E402
from groupvit_runtime.errors import GroupViTError  # noqa: E402

_WARM_CALLS = 5


def main(options: dict[str, Any]) -> dict[str, float | None]:
    """Milliseconds of every step since the process was started, and the peak of its memory."""
    imported = time.perf_counter()
    image = options["image"]
    segmenter = Segmenter.load(
        options["bundle"],
        device=options["device"],
        threads=options["threads"],
        decode=options["decode"],
    )
    loaded = time.perf_counter()
    words = Vocabulary.load(Path(options["vocabulary"]))
    segmenter(image, words)
    masked = time.perf_counter()
    warm = []
    for _ in range(_WARM_CALLS):
        begin = time.perf_counter()
        segmenter(image, words)
        warm.append((time.perf_counter() - begin) * 1000)
    return {
        "import": (imported - _start) * 1000,
        "load": (loaded - imported) * 1000,
        "first_mask": (masked - loaded) * 1000,
        "total": (masked - _start) * 1000,
        "warm_mask": statistics.median(warm),
        "peak_resident_mb": peak_resident_mb(),
    }


if __name__ == "__main__":
    try:
        print(json.dumps(main(json.loads(sys.argv[1]))))
    except GroupViTError as error:
        sys.exit(str(error))
