"""A real tritonserver, the one of the package nvidia-pytriton, asked by NVIDIA's own clients."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest

from groupvit_export.data.bundled import DEMO_LABELS, DEMO_SAMPLE
from groupvit_export.triton_server.options import TritonOptions
from groupvit_export.triton_server.repository import write_repository
from groupvit_runtime import Segmenter

pytest.importorskip("tritonclient.grpc")

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "tests" / "support" / "triton_calls.py"
ALONE = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
UNREACHABLE = re.compile(r"NewConnectionError|NameResolutionError|ConnectTimeoutError|Could not fetch URL")
# Without what it needs for its own interface, which is not used.
SERVER = "nvidia-pytriton==0.7.0"
# This server's Python backend reads tensors of NumPy 2 wrongly.
BESIDE = (
    "numpy<2",
    "ftfy",
    "pillow",
    "safetensors",
    "simplejpeg",
    "tokenizers",
    "tritonclient[http,grpc]==2.69.0",
)
SECONDS = 300
MANY = 200
WORDS = list(DEMO_LABELS[:4])
OTHER_WORDS = list(DEMO_LABELS[4:7])


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """Of an environment that has server and clients, made for this, or named by GROUPVIT_TRITON_PYTHON."""
    if "GROUPVIT_TRITON_PYTHON" in os.environ:
        return Path(os.environ["GROUPVIT_TRITON_PYTHON"])
    if sys.platform != "linux":
        pytest.skip("there is a Triton server for Linux only")
    folder = tmp_path_factory.mktemp("triton")
    venv.create(folder, with_pip=True)
    source = shutil.copytree(
        ROOT / "runtimes" / "python", folder / "source", ignore=shutil.ignore_patterns("build", "*.egg-info")
    )
    for arguments in (["--no-deps", SERVER, source], [*BESIDE, f"openvino=={version('openvino')}"]):
        done = subprocess.run(
            [folder / "bin" / "python", "-m", "pip", "install", "--quiet", *arguments],
            capture_output=True,
            text=True,
            env=ALONE,
        )
        if UNREACHABLE.search(done.stderr) and done.returncode:
            pytest.skip("the package index cannot be reached")
        assert done.returncode == 0, done.stderr[-4000:]
    return folder / "bin" / "python"


@dataclass(frozen=True)
class Ports:
    http: int
    grpc: int


@contextmanager
def triton(python: Path, repository: Path, folder: Path) -> Iterator[Ports]:
    """A server of `groupvit_segment`, until the block ends."""
    site = python.parent.parent / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    installed = site / "pytriton" / "tritonserver"
    # What the package's own interface does: the process of a model is one of this Python's version.
    backends = shutil.copytree(installed / "backends", folder / "backends")
    stubs = installed / "python_backend_stubs" / f"3.{sys.version_info.minor}"
    for library in site.glob("nvidia_pytriton.libs"):
        (folder / library.name).symlink_to(library)
    shutil.copy(stubs / "triton_python_backend_stub", backends / "python")
    ports = Ports(*free_ports(2))
    command = [installed / "bin" / "tritonserver", f"--model-repository={repository}"]
    command += [f"--backend-directory={backends}", f"--cache-directory={installed / 'caches'}"]
    command += ["--cache-config=local,size=1048576", "--allow-metrics=false"]
    command += ["--model-control-mode=explicit", "--load-model=groupvit_segment"]
    command += ["--http-address=127.0.0.1", f"--http-port={ports.http}"]
    command += ["--grpc-address=127.0.0.1", f"--grpc-port={ports.grpc}"]
    log = folder / "server.log"
    environment = {
        **ALONE,
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(site),
        "LD_LIBRARY_PATH": str(site / "nvidia_pytriton.libs"),
    }
    with log.open("w") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, env=environment)
    try:
        wait_for(f"http://127.0.0.1:{ports.http}/v2/health/ready", process, log)
        yield ports
    finally:
        process.terminate()
        process.wait(SECONDS)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()[-4000:]
        try:
            with urllib.request.urlopen(url, timeout=5) as response:
                if response.status == 200:
                    return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(log.read_text()[-4000:])


def free_ports(count: int) -> list[int]:
    with contextmanager(open_sockets)(count) as sockets:
        return [one.getsockname()[1] for one in sockets]


def open_sockets(count: int) -> Iterator[list[socket.socket]]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    yield sockets
    for one in sockets:
        one.close()


@pytest.mark.slow
def test_a_server_answers_as_the_runtime_does(python, demo_bundles, scenes, tmp_path):
    bundle = shutil.copytree(demo_bundles["openvino"], tmp_path / "bundle")
    segmenter = Segmenter.load(bundle)
    for name, words in (("scene", WORDS), ("other", OTHER_WORDS)):
        segmenter.vocabulary(words).save(tmp_path / f"{name}.safetensors")
    repository = tmp_path / "models"
    write_repository(bundle, repository, TritonOptions(batch_wait=0.005))
    place = repository / "groupvit_segment" / "vocabularies" / "scene.safetensors"
    shutil.copy(tmp_path / "scene.safetensors", place)
    images = [DEMO_SAMPLE, *(scenes.image(index) for index in range(4))]
    plan = {
        "images": [str(image) for image in images],
        "labels": WORDS,
        "vocabulary": "scene",
        "replacement": str(tmp_path / "other.safetensors"),
        "place": str(place),
        "many": MANY,
    }
    (tmp_path / "plan.json").write_text(json.dumps(plan))

    with triton(python, repository, tmp_path) as ports:
        addresses = [f"127.0.0.1:{ports.http}", f"127.0.0.1:{ports.grpc}"]
        done = subprocess.run(
            [python, SCRIPT, *addresses, tmp_path], capture_output=True, text=True, env=ALONE
        )
    assert done.returncode == 0, done.stderr[-4000:] + (tmp_path / "server.log").read_text()[-4000:]

    answers = np.load(tmp_path / "answers.npz")
    abstaining = segmenter(DEMO_SAMPLE, WORDS[:2], negatives=WORDS[2:], threshold=0.5)
    expected = {name: segmenter(DEMO_SAMPLE, WORDS) for name in ("file", "pixels", "vocabulary")} | {
        "negatives": abstaining
    }
    for protocol in ("http", "grpc"):
        for name, result in expected.items():
            key = f"{protocol}.{name}"
            assert np.array_equal(answers[f"{key}.labels"], result.labels), key
            assert answers[f"{key}.names"].tolist() == list(result.names), key
            scores = [result.scores.get(word, -1.0) for word in result.names]
            assert np.allclose(answers[f"{key}.scores"], scores, atol=1e-6), key

    many = np.load(tmp_path / "many.npz")
    assert len(many) == MANY
    pairs: dict[tuple[int, int], np.ndarray] = {}
    for number, labels in enumerate(many.values()):
        image, word = number % len(images), number % len(WORDS)
        if (image, word) not in pairs:
            words = [WORDS[word], WORDS[(word + 1) % len(WORDS)]]
            pairs[image, word] = segmenter(images[image], words).labels
        wanted = pairs[image, word]
        assert labels.shape == wanted.shape
        # Batches of other sizes can change the last bits of an engine's floats.
        assert (labels == wanted).mean() > 0.999, number

    errors = json.loads((tmp_path / "errors.json").read_text())
    for kind, part in {
        "no image": "a request needs one of two inputs, image or pixels",
        "no words": "a request needs one of two inputs, labels or vocabulary",
        "both": "got: labels and vocabulary",
        "broken": "fix:",
        "unknown": "expected: scene",
        "utf-8": "not UTF-8",
        "many": "these are too many class names",
        "type": "image",
        "shape": "unexpected shape for input 'pixels'",
    }.items():
        assert part in errors[kind], (kind, errors[kind])

    replaced = segmenter(DEMO_SAMPLE, OTHER_WORDS)
    assert answers["replaced.names"].tolist() == list(replaced.names)
    assert np.array_equal(answers["replaced.labels"], replaced.labels)
    assert "a vocabulary of the model repository cannot be used" in str(answers["broken reload"])
    assert np.array_equal(answers["kept.labels"], replaced.labels)
