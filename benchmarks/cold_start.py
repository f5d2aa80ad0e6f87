"""One cold start, measured from inside a fresh process: import, load, first mask, peak memory.

Usage: python -m benchmarks.cold_start BUNDLE PICTURE VOCABULARY; prints one JSON line.
"""

import time

_start = time.perf_counter()

import json  # noqa: E402
import sys  # noqa: E402

from benchmarks.memory import peak_resident_mb  # noqa: E402
from groupvit_runtime import Segmenter, Vocabulary  # noqa: E402

_imported = time.perf_counter()

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
            "peak_resident_mb": peak_resident_mb(),
        }
    )
)
