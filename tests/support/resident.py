"""How much of a file that is mapped into this process is in memory."""

from __future__ import annotations

import mmap
from pathlib import Path

import numpy as np
import pytest
from cpp_runtime import CppSegmenter, Library

from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.manifest import read_manifest

SMAPS = Path("/proc/self/smaps")

can_release = pytest.mark.skipif(
    not (SMAPS.is_file() and hasattr(mmap, "MADV_DONTNEED")),
    reason="the system does not tell what is resident",
)


def resident_bytes(path: Path) -> int:
    """Of this process's mappings of the file, all together."""
    total, is_of_file = 0, False
    for line in SMAPS.read_text().splitlines():
        field = line.split(maxsplit=1)[0]
        if not field.endswith(":"):
            is_of_file = line.endswith(str(path.resolve()))
        elif field == "Rss:" and is_of_file:
            total += int(line.split()[1]) * 1024
    return total


def of_python(bundle: Path) -> list[int]:
    """Bytes of image.bin that are resident once the Python runtime has loaded its engine, and has run it."""
    engine = load_engine(read_manifest(bundle).engine("image"), bundle, EngineOptions())
    found = [resident_bytes(bundle / "image.bin")]
    engine.run({"pixel_values": np.zeros((2, 3, 224, 224), np.float32)})
    return [*found, resident_bytes(bundle / "image.bin")]


def of_cpp(library: Path, bundle: Path, labels: list[str]) -> dict[str, int]:
    """Bytes of the weights that are resident once the C++ runtime has encoded words and segmented."""
    cpp = CppSegmenter(Library(library), bundle)
    cpp.segment(np.zeros((64, 64, 3), np.uint8), cpp.encode(labels))
    return {name: resident_bytes(bundle / name) for name in ("image.bin", "text.bin")}
