"""One cold start, measured from inside a fresh process: import, load, first mask, peak memory.

Usage: python -m benchmarks.peers.cold_start stored BUNDLE IMAGE VOCABULARY
       python -m benchmarks.peers.cold_start words BUNDLE IMAGE LABELS
       python -m benchmarks.peers.cold_start transformers CHECKPOINT IMAGE LABELS
`words` is a bundle that encodes the words itself, as transformers does. Prints one JSON line.
"""

import time

_start = time.perf_counter()

import json  # noqa: E402
import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from groupvit_export.benchmark.memory import peak_resident_mb  # noqa: E402

# Nothing here is on a hub; asking for it would be part of the start.
os.environ["HF_HUB_OFFLINE"] = "1"
kind, source, image, words = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
# Imported only where it is measured: whichever is not is no part of the start.
if kind == "transformers":
    from benchmarks.peers.hugging_face import HuggingFace

    _imported = time.perf_counter()
    model = HuggingFace(source, image, words.split(","))
    _loaded = time.perf_counter()
    model.label(image)
else:
    from groupvit_runtime import Segmenter, Vocabulary

    _imported = time.perf_counter()
    segmenter = Segmenter.load(source)
    _loaded = time.perf_counter()
    segmenter(image, Vocabulary.load(Path(words)) if kind == "stored" else words.split(","))
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
