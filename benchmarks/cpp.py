"""The C++ runtime beside the Python one: image to mask, cold start, size. Full-size model, OpenVINO.

The two take turns call by call in one process (the C++ library through ctypes, as `groupvit bench --runtime
cpp` calls it), and cold starts process by process, those of C++ without Python. The third that takes turns is
the image engine alone, and OpenVINO alone at the start, which compiles the engine and runs it once: what is
left of each ratio when a runtime costs nothing.

Usage: python -m benchmarks.cpp [--bundle FOLDER] [--rounds N] [--cold N]; writes benchmarks/results/cpp.json.
Without --bundle the full-size model is exported first. Wants cmake, g++, nlohmann-json3-dev and libstb-dev.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from benchmarks.checkpoint import VOC, write_full_size_checkpoint
from benchmarks.record import machine, write_record
from benchmarks.timing import Timing, milliseconds, ratio
from groupvit_export.benchmark.c_interface import CppSegmenter, Library
from groupvit_export.data.bundled import DEMO_SAMPLE
from groupvit_export.metrics.interleaved import interleaved
from groupvit_runtime import Segmenter, Vocabulary
from groupvit_runtime.contract import IMAGE_INPUT
from groupvit_runtime.engines import EngineOptions, load_engine
from groupvit_runtime.manifest import read_manifest

REPOSITORY: Final = Path(__file__).resolve().parent.parent

_PYTHON_START: Final = """
import sys, time
from pathlib import Path
from groupvit_runtime import Segmenter, Vocabulary
segmenter = Segmenter.load(sys.argv[1])
segmenter(sys.argv[2], Vocabulary.load(Path(sys.argv[3])))
print(time.monotonic() * 1000)
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path, help="of the target openvino")
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--cold", type=int, default=21)
    arguments = parser.parse_args()
    build = _build("cpp-bench", "-DGROUPVIT_WITH_OPENVINO=ON", "-DGROUPVIT_BUILD_STATIC=OFF")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle: Path = arguments.bundle or _export(folder)
        image = folder / "image.png"
        Image.open(DEMO_SAMPLE).convert("RGB").resize((640, 480)).save(image)
        words = folder / "words.safetensors"
        vocab = ["vocab", str(bundle), "--labels", ",".join(VOC), "-o", str(words), "--json"]
        _run([sys.executable, "-m", "groupvit_export.cli", *vocab])
        report = {
            "machine": machine(),
            "image_640x480": _image_to_mask(build, bundle, image, words, arguments.rounds),
            "cold_start": _cold_starts(build, bundle, image, words, arguments.cold),
            "library_without_engines_bytes": _library_bytes(folder),
        }
    write_record("cpp", report)
    print(json.dumps(report, indent=2))


def _build(name: str, *options: str) -> Path:
    folder = REPOSITORY / "build" / name
    openvino = find_spec("openvino")
    assert openvino is not None and openvino.origin is not None
    cmake = ["cmake", "-S", str(REPOSITORY / "runtimes" / "cpp"), "-B", str(folder), *options]
    _run([*cmake, f"-DOpenVINO_DIR={Path(openvino.origin).parent / 'cmake'}"])
    _run(["cmake", "--build", str(folder), "--parallel", "2"])
    return folder


def _program(folder: Path, name: str, *options: str) -> Path:
    """A program of one file beside this one, compiled."""
    program, source = folder / name, Path(__file__).parent / f"{name}.cpp"
    _run(["g++", "-std=c++17", "-O2", "-Wall", "-Wextra", str(source), *options, "-o", str(program)])
    return program


def _bare_openvino(folder: Path) -> Path:
    openvino = find_spec("openvino")
    assert openvino is not None and openvino.origin is not None
    package = Path(openvino.origin).parent
    (library,) = (package / "libs").glob("libopenvino.so.*")
    include = ["-isystem", str(package / "include")]
    return _program(folder, "bare_openvino", *include, str(library), f"-Wl,-rpath,{library.parent}")


def _first_mask(folder: Path) -> Path:
    include = f"-I{REPOSITORY / 'runtimes' / 'cpp' / 'include'}"
    return _program(
        folder, "first_mask", include, str(folder / "libgroupvit.so"), f"-Wl,-rpath,{folder.resolve()}"
    )


def _export(folder: Path) -> Path:
    checkpoint, bundle = write_full_size_checkpoint(folder / "full-size"), folder / "openvino"
    export = ["export", "--target", "openvino", "--checkpoint", str(checkpoint), "-o", str(bundle), "--quiet"]
    _run([sys.executable, "-m", "groupvit_export.cli", *export])
    return bundle


def _image_to_mask(build: Path, bundle: Path, image: Path, words: Path, rounds: int) -> dict[str, Any]:
    rgb = np.asarray(Image.open(image))
    cpp = CppSegmenter(Library(build / "libgroupvit.so"), bundle)
    cpp_words = cpp.open_file(words)
    python, python_words = Segmenter.load(bundle), Vocabulary.load(words)
    labels = np.empty(rgb.shape[:2], np.uint16)

    def call_cpp() -> None:
        cpp.segment_into(rgb, cpp_words, labels)

    call_cpp()
    if not np.array_equal(labels, python(rgb, python_words).labels):
        sys.exit("the two runtimes give different label maps: nothing to measure")
    manifest = read_manifest(bundle)
    engine = load_engine(manifest.engine("image"), bundle, EngineOptions())
    feeds = {IMAGE_INPUT: np.zeros((1, 3, *manifest.model.image_size), np.float32)}
    sides = {
        "python": lambda: python(rgb, python_words),
        "cpp": call_cpp,
        "engine": lambda: engine.run(feeds),
    }
    timings = milliseconds(sides, rounds=rounds)
    return {
        "python_ms": asdict(Timing.of(timings["python"])),
        "cpp_ms": asdict(Timing.of(timings["cpp"])),
        "engine_ms": asdict(Timing.of(timings["engine"])),
        "cpp_over_python": asdict(ratio(timings["cpp"], timings["python"])),
        "engine_over_python": asdict(ratio(timings["engine"], timings["python"])),
        "engine": cpp.engine,
        "labels_equal": True,
    }


def _cold_starts(build: Path, bundle: Path, image: Path, words: Path, processes: int) -> dict[str, Any]:
    """Milliseconds from starting a process to its first mask, the three taking turns."""
    commands = {
        "bare_openvino": [str(_bare_openvino(build)), str(bundle / "image.xml")],
        "python": [sys.executable, "-c", _PYTHON_START, str(bundle), str(image), str(words)],
        "cpp": [str(_first_mask(build)), str(bundle), str(words), str(image)],
    }

    def start(command: Sequence[str]) -> float:
        begun = time.monotonic() * 1000
        # Each prints the clock at its first mask last; it is the same for all processes.
        return float(_run(command).split()[-1]) - begun

    turns = [partial(start, command) for command in commands.values()]
    found = dict(zip(commands, interleaved(turns, lambda done: done < processes), strict=True))
    return {
        **{f"{name}_ms": asdict(Timing.of(times)) for name, times in found.items()},
        "cpp_over_python": asdict(ratio(found["cpp"], found["python"])),
        "bare_openvino_over_python": asdict(ratio(found["bare_openvino"], found["python"])),
        "processes": processes,
    }


def _library_bytes(folder: Path) -> int:
    build = _build("cpp-bare", *(f"-DGROUPVIT_WITH_{name}=OFF" for name in _ENGINES))
    _run(["cmake", "--install", str(build), "--prefix", str(folder / "bare"), "--strip"])
    (library,) = (path for path in (folder / "bare").rglob("libgroupvit.so.*.*") if not path.is_symlink())
    return library.stat().st_size


_ENGINES: Final = ("OPENVINO", "ONNXRUNTIME", "TENSORRT", "TENSORRT_RTX", "TORCH")


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
