"""The first images of a fresh process on a GPU.

Usage: python -m benchmarks.gpu.first_images BUNDLE; prints one JSON line.
"""

import time

_start = time.perf_counter()

import json  # noqa: E402
import sys  # noqa: E402

import numpy as np  # noqa: E402

from groupvit_runtime.contract import IMAGE_INPUT  # noqa: E402
from groupvit_runtime.engines import EngineOptions, load_engine  # noqa: E402
from groupvit_runtime.open_bundle import open_bundle  # noqa: E402

_imported = time.perf_counter()

bundle = open_bundle(sys.argv[1])
info = bundle.manifest.engine("image")
engine = load_engine(info, bundle.root, EngineOptions(device="cuda"))
_loaded = time.perf_counter()
pixels = np.random.default_rng(0).normal(size=(1, *info.inputs[0].shape[1:])).astype(np.float32)
engine.run({IMAGE_INPUT: pixels})
_first = time.perf_counter()
engine.run({IMAGE_INPUT: pixels})
_second = time.perf_counter()

print(
    json.dumps(
        {
            "engine": engine.description,
            "import_s": round(_imported - _start, 4),
            "load_s": round(_loaded - _imported, 4),
            "first_s": round(_first - _loaded, 4),
            "second_s": round(_second - _first, 4),
        }
    )
)
