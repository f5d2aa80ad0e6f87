"""The C++ runtime, built once a session.

``GROUPVIT_SANITIZE=address,undefined`` builds it with sanitizers; `test_sanitizers.py` starts pytest so.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from cpp_runtime import Library
from image_probe import ImageProbe
from sentences import sentences
from text_probe import TextProbe
from tokenizer_pair import saved
from tokenizers import trainers
from tokenizers.pre_tokenizers import ByteLevel

from groupvit_export.checkpoint.tokenizer import clip_tokenizer

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / "runtimes" / "cpp"

_PACKAGES = (
    "apt-get install cmake ninja-build g++ pkg-config nlohmann-json3-dev libgtest-dev libjpeg-dev libpng-dev "
    "libstb-dev"
)
_PROBE = 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }'


@pytest.fixture(scope="session")
def cpp_build() -> Callable[[str], Path]:
    """Builds a target of CMake below build/, which git ignores, and gives the folder it is in."""
    sanitize = os.environ.get("GROUPVIT_SANITIZE", "")
    folder = REPOSITORY / "build" / ("cpp-sanitized" if sanitize else "cpp-tests")
    options = [f"-DGROUPVIT_SANITIZE={sanitize}"]
    openvino = find_spec("openvino")
    if openvino is not None and openvino.origin is not None:
        options.append(f"-DOpenVINO_DIR={Path(openvino.origin).parent / 'cmake'}")
    onnxruntime = find_spec("onnxruntime")
    if onnxruntime is not None and onnxruntime.origin is not None:
        options.append(f"-DOnnxRuntimeSdk_ROOT={Path(onnxruntime.origin).parent / 'capi'}")
    litert = find_spec("ai_edge_litert")
    if litert is not None and litert.origin is not None:
        options.append(f"-DLiteRtSdk_ROOT={Path(litert.origin).parent}")
    return _configure("tests", folder, *options)


@pytest.fixture(scope="session")
def cpp_library(cpp_build: Callable[[str], Path]) -> Library:
    """libgroupvit with the engines of OpenVINO, ONNX Runtime and LiteRT, where they are here."""
    library = Library(cpp_build("groupvit") / "libgroupvit.so")
    if "openvino" not in library.engines():
        pytest.skip("the library was built without OpenVINO: pip install openvino")
    return library


@pytest.fixture(scope="session")
def cpp_torch_library() -> Path:
    """libgroupvit with AOTInductor's engine, for processes that do not import PyTorch."""
    torch = pytest.importorskip("torch")
    prefix = f"-DCMAKE_PREFIX_PATH={torch.utils.cmake_prefix_path}"
    build = _configure("tests-torch", REPOSITORY / "build" / "cpp-torch", prefix)
    return build("groupvit") / "libgroupvit.so"


@pytest.fixture(scope="session")
def text_probe(cpp_build: Callable[[str], Path]) -> TextProbe:
    """Manifest, vocabulary, prompts and tokenizer."""
    return TextProbe(cpp_build("groupvit_text_probe") / "libgroupvit_text_probe.so")


@pytest.fixture(scope="session")
def clang(tmp_path_factory: pytest.TempPathFactory) -> str | None:
    """clang++ with libFuzzer and the sanitizers, which it instruments for faster than GCC; None without."""
    compiler = shutil.which("clang++")
    if compiler is None:
        return None
    folder = tmp_path_factory.mktemp("probe")
    (folder / "probe.cpp").write_text(_PROBE)
    command = [compiler, "-fsanitize=fuzzer,address,undefined", folder / "probe.cpp", "-o", folder / "probe"]
    return compiler if subprocess.run(command, capture_output=True).returncode == 0 else None


def _configure(preset: str, folder: Path, *options: str) -> Callable[[str], Path]:
    """Configures a preset of runtimes/cpp/CMakePresets.json; what comes back builds a target of it."""
    if shutil.which("cmake") is None or not any(map(shutil.which, ("c++", "g++", "clang++"))):
        pytest.skip(f"CMake or a C++ compiler is missing: {_PACKAGES}")
    generator = ["-G", "Ninja"] if shutil.which("ninja") is not None else []
    done = _done("cmake", "--preset", preset, "-S", str(SOURCE), "-B", str(folder), *generator, *options)
    missing = re.search(r'Could not find a package configuration file provided by "(\w+)"', done.stderr)
    if missing is not None or "Could NOT find GTest" in done.stderr:
        pytest.skip(f"{missing[1] if missing else 'GTest'} is missing: {_PACKAGES}")
    _check(done)

    def build(target: str) -> Path:
        _check(_done("cmake", "--build", str(folder), "--target", target, "--parallel", "2"))
        return folder

    return build


def _done(*command: str) -> subprocess.CompletedProcess[str]:
    # Without the sanitizers' libraries, which would slow the compiler down many times.
    environment = {name: value for name, value in os.environ.items() if name != "LD_PRELOAD"}
    return subprocess.run(command, capture_output=True, text=True, env=environment)


def _check(done: subprocess.CompletedProcess[str]) -> None:
    if done.returncode:
        pytest.fail(f"{' '.join(done.args)}\n{done.stdout}\n{done.stderr}", pytrace=False)


@pytest.fixture(scope="session")
def cpp(cpp_build: Callable[[str], Path]) -> ImageProbe:
    """Preprocessing and decoding of the C++ runtime."""
    return ImageProbe(cpp_build("groupvit_image_probe") / "libgroupvit_image_probe.so")


@pytest.fixture(scope="session")
def small_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CLIP's tokenizer with merges trained here, for machines without CLIP's."""
    tokens = ["<|startoftext|>", "<|endoftext|>"]
    made = clip_tokenizer({token: index for index, token in enumerate(tokens)}, [])
    alphabet = sorted(ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=tokens, initial_alphabet=alphabet, end_of_word_suffix="</w>"
    )
    made.train_from_iterator(sentences(3000, seed=1), trainer)
    model = json.loads(made.to_str())["model"]
    vocab = dict(model["vocab"])
    # Training adds no letter at a word's end that it did not see.
    for letter in alphabet:
        vocab.setdefault(letter + "</w>", len(vocab))
    whole = clip_tokenizer(vocab, [tuple(merge) for merge in model["merges"]])
    return saved(whole, tmp_path_factory.mktemp("small") / "tokenizer.json")
