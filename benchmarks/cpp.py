"""The C++ runtime beside the Python one: image to mask, cold start, size. Full-size model, OpenVINO.

The two take turns, a process each (the C++ library through ctypes, as `groupvit bench --runtime cpp` calls
it), and cold starts process by process, those of C++ without Python. The third that takes turns is the image
engine alone, and OpenVINO alone at the start, which compiles the engine and runs it once: what is left of
each ratio when a runtime costs nothing. A part of `python -m benchmarks.peers`; wants cmake, g++,
nlohmann-json3-dev and libstb-dev.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image

from benchmarks.peers.host import LOAD_S, Worker
from benchmarks.peers.material import INPUT, Material
from benchmarks.peers.sides import DEFAULT, LabelMap, Side, precision_of
from benchmarks.peers.turns import Turns, load_all, take_turns
from benchmarks.timing import Timing, rounded_interval
from groupvit_export.benchmark.c_interface import CppSegmenter, Library
from groupvit_export.metrics.interleaved import interleaved
from groupvit_runtime import Segmenter, Vocabulary
from groupvit_runtime.manifest import read_manifest
from groupvit_runtime.read_image import read_image

REPOSITORY: Final = Path(__file__).resolve().parent.parent
WANTS: Final = ("cmake", "g++")

_ENGINES: Final = ("OPENVINO", "ONNXRUNTIME", "TENSORRT", "TENSORRT_RTX", "TORCH")
_PYTHON_START: Final = """
import sys, time
from pathlib import Path
from groupvit_runtime import Segmenter, Vocabulary
segmenter = Segmenter.load(sys.argv[1])
segmenter(sys.argv[2], Vocabulary.load(Path(sys.argv[3])))
print(time.monotonic() * 1000)
"""


class BuildError(Exception):
    """A program could not be built or run; the message has its output."""


def build() -> Path:
    """Build the library, and the programs beside it, into `build/cpp-bench`; what is there already stays.

    Raises:
        BuildError: it does not compile.
    """
    folder = _build("cpp-bench", "-DGROUPVIT_WITH_OPENVINO=ON", "-DGROUPVIT_BUILD_STATIC=OFF")
    _bare_openvino(folder)
    _first_mask(folder)
    _build("cpp-bare", *(f"-DGROUPVIT_WITH_{name}=OFF" for name in _ENGINES))
    return folder


def measure(material: Material, turns: Turns, cold: int, threads: int | None, log: Path) -> dict[str, Any]:
    """Build what is missing, compare the label maps, and time.

    Args:
        material: that has the bundle of the default export.
        turns: of images.
        cold: processes of each kind.
        threads: of both; None for their own choice.
        log: a folder for what the processes print.

    Raises:
        BuildError: it does not compile, or a program fails.
    """
    folder, image = build(), log / "image.png"
    # stb_image and Pillow decode a JPEG differently by a level.
    Image.open(material.image).save(image)
    found = _image_to_mask(folder, material, image, turns, threads, log)
    if "not_run" in found:
        return found
    return {
        "image": found,
        "cold_start": _cold_starts(folder, material, image, cold, found["runs"]["python"]),
        "library_without_engines_bytes": _library_bytes(log),
    }


def runtime_side(kind: str, library: str, bundle: str, words: str, image: str, threads: str) -> Side:
    """A runtime on decoded pixels.

    Args:
        kind: "python" or "cpp".
        library: libgroupvit.so, for "cpp".
        bundle: a folder.
        words: a vocabulary's file.
        image: a file.
        threads: "0" for its own choice.
    """
    rgb, count = read_image(Path(image)), int(threads) or None
    if kind == "cpp":
        cpp = CppSegmenter(Library(Path(library)), Path(bundle), threads=count or 0)
        cpp_words, labels = cpp.open_file(Path(words)), np.empty(rgb.shape[:2], np.uint16)

        def call_cpp() -> LabelMap:
            cpp.segment_into(rgb, cpp_words, labels)
            return labels

        return Side({"image": call_cpp}, lambda _: call_cpp(), runs=cpp.engine)
    segmenter, vocabulary = Segmenter.load(bundle, threads=count), Vocabulary.load(Path(words))

    def call_python() -> LabelMap:
        return segmenter(rgb, vocabulary).labels

    pixels = segmenter._image.whole([rgb], (INPUT, INPUT), segmenter.manifest.preprocessing.hf)
    calls = {"image": call_python, "engine": lambda: segmenter._image.run(pixels)}
    return Side(calls, lambda _: call_python(), runs=segmenter.engine_description)


def _image_to_mask(
    folder: Path, material: Material, image: Path, turns: Turns, threads: int | None, log: Path
) -> dict[str, Any]:
    files = [folder / "libgroupvit.so", material.bundle(DEFAULT), material.vocabulary(DEFAULT), image]
    arguments = [*(str(file) for file in files), str(threads or 0)]
    with ExitStack() as stack:
        workers = {}
        for kind in ("python", "cpp"):
            worker = Worker("benchmarks.cpp:runtime_side", [kind, *arguments], log / f"runtime-{kind}.txt")
            workers[kind] = stack.enter_context(worker)
        failed: dict[str, str] = {}
        loaded = load_all(workers, failed, LOAD_S)
        if failed:
            return {"not_run": "; ".join(f"{name}: {why}" for name, why in failed.items())}
        maps = []
        for kind, worker in workers.items():
            worker.ask("label", images=[str(image)], into=str(log / f"runtime-{kind}.npz"))
            with np.load(log / f"runtime-{kind}.npz") as found:
                maps.append(found["labels"])
        if not np.array_equal(*maps):
            return {"not_run": "the two runtimes give different label maps"}
        taken = take_turns(
            {**workers, "engine": workers["python"]},
            {"python": "image", "cpp": "image", "engine": "engine"},
            turns,
        )
    if taken.failed:
        return {"not_run": "; ".join(taken.failed.values())}
    return {"runs": {name: row["runs"] for name, row in loaded.items()}, **_compared(taken.times, "engine")}


def _compared(times: Mapping[str, Any], floor: str) -> dict[str, Any]:
    """Milliseconds by side, and the ratios to Python's."""
    return {
        **{f"{name}_ms": asdict(Timing.of(np.ravel(values).tolist())) for name, values in times.items()},
        "cpp_over_python": rounded_interval(times["python"], times["cpp"]),
        f"{floor}_over_python": rounded_interval(times["python"], times[floor]),
    }


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


def _cold_starts(build: Path, material: Material, image: Path, processes: int, runs: str) -> dict[str, Any]:
    """Milliseconds from starting a process to its first mask, the three taking turns."""
    bundle, words = material.bundle(DEFAULT), material.vocabulary(DEFAULT)
    precision = "fp32" if precision_of(runs) == "float32" else precision_of(runs)
    engines = read_manifest(bundle).image_engines
    engine = bundle / next(one for one in engines if one.precision == precision).files[0].path
    commands = {
        "bare_openvino": [str(build / "bare_openvino"), str(engine), "bf16" if "bf16" in runs else "f32"],
        "python": [sys.executable, "-c", _PYTHON_START, str(bundle), str(image), str(words)],
        "cpp": [str(build / "first_mask"), str(bundle), str(words), str(image)],
    }

    def start(command: Sequence[str]) -> float:
        begun = time.monotonic() * 1000
        # Each prints the clock at its first mask last; it is the same for all processes.
        return float(_run(command).split()[-1]) - begun

    turns = [partial(start, command) for command in commands.values()]
    found = dict(zip(commands, interleaved(turns, lambda done: done < processes), strict=True))
    return {**_compared(found, "bare_openvino"), "processes": processes}


def _library_bytes(scratch: Path) -> int:
    with tempfile.TemporaryDirectory(dir=scratch) as name:
        bare = REPOSITORY / "build" / "cpp-bare"
        _run(["cmake", "--install", str(bare), "--prefix", name, "--strip"])
        (library,) = (path for path in Path(name).rglob("libgroupvit.so.*.*") if not path.is_symlink())
        return library.stat().st_size


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise BuildError(f"{' '.join(command)}\n{done.stdout}\n{done.stderr}")
    return done.stdout
