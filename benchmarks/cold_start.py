"""One cold start, measured from inside a fresh process: import, load, first mask, peak memory.

Usage: python -m benchmarks.cold_start BUNDLE PICTURE VOCABULARY; prints one JSON line.
"""

import time

_start = time.perf_counter()

import json  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from groupvit_runtime import Segmenter, Vocabulary  # noqa: E402

_imported = time.perf_counter()


def _peak_resident_mb() -> float:
    # Not getrusage: its maximum survives exec, so a child reports its parent's memory.
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(round(int(line.split()[1]) / 1024, 1) for line in lines if line.startswith("VmHWM"))


segmenter = Segmenter.load(sys.argv[1])
_loaded = time.perf_counter()
result = segmenter(sys.argv[2], Vocabulary.load(sys.argv[3]))
_masked = time.perf_counter()

print(
    json.dumps(
        {
            "import_s": round(_imported - _start, 4),
            "load_s": round(_loaded - _imported, 4),
            "first_mask_s": round(_masked - _loaded, 4),
            "total_s": round(_masked - _start, 4),
            "peak_resident_mb": _peak_resident_mb(),
        }
    )
)
