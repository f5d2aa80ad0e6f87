"""The two distributions: what their wheels hold, and that each works where nothing else is installed."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tarfile
import tomllib
import venv
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from groupvit_runtime import Segmenter
from groupvit_runtime.install_hint import install_hint

REPOSITORY = Path(__file__).resolve().parent.parent
RUNTIME = Path("runtimes") / "python"
ENGINES = ("onnxruntime", "onnxruntime-gpu", "openvino", "torch", "tensorrt", "tensorrt-rtx")
ABSENT = ("torch", "onnx", "onnxruntime", "onnxscript", "transformers", "triton", "nncf")
UNREACHABLE = re.compile(r"NewConnectionError|NameResolutionError|ConnectTimeoutError|Could not fetch URL")


def project(folder: Path) -> Mapping[str, Any]:
    found: Mapping[str, Any] = tomllib.loads((REPOSITORY / folder / "pyproject.toml").read_text())["project"]
    return found


def test_both_have_one_version_and_one_license() -> None:
    export, runtime = project(Path()), project(RUNTIME)
    assert export["version"] == runtime["version"]
    assert export["dependencies"][0] == f"groupvit-runtime=={runtime['version']}"
    assert (REPOSITORY / RUNTIME / "LICENSE").read_bytes() == (REPOSITORY / "LICENSE").read_bytes()
    assert (export["license"], export["requires-python"]) == (runtime["license"], runtime["requires-python"])


def test_the_changelog_has_the_version() -> None:
    newest = re.search(r"^## \[(\d[^\]]*)\]", (REPOSITORY / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == project(Path())["version"]


def test_an_extra_has_one_name_in_both() -> None:
    forwarded, engines = (project(folder)["optional-dependencies"] for folder in (Path(), RUNTIME))
    assert tuple(engines) == (*ENGINES, "litert-runtime", "objects", "formats", "serve")
    assert {name: forwarded[name] for name in engines} == {
        name: [f"groupvit-runtime[{name}]"] for name in engines
    }


@dataclass(frozen=True)
class Built:
    """What `python -m build` made of a distribution."""

    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What both are built from, where building leaves nothing behind."""
    folder = tmp_path_factory.mktemp("sources") / "clone"
    leave = shutil.ignore_patterns("__pycache__", "build", "dist", "*.egg-info")
    # The package groupvit_export.build has the name of setuptools' folder.
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(REPOSITORY / "groupvit_export", folder / "groupvit_export", ignore=ignored)
    for name in ("kernels", "runtimes/python"):
        shutil.copytree(REPOSITORY / name, folder / name, ignore=leave)
    for name in ("pyproject.toml", "README.md", "LICENSE", "constraints.txt"):
        shutil.copy(REPOSITORY / name, folder)
    return folder


@pytest.fixture(scope="module")
def built(sources: Path, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Built]:
    """By the distribution's name; a wheel is built from the sdist, as an index's user would."""
    pytest.importorskip("build", reason="the builder is missing, which the extra test brings")
    found = {}
    for name, folder in (("groupvit_export", sources), ("groupvit_runtime", sources / RUNTIME)):
        output = tmp_path_factory.mktemp(name)
        command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", output, folder]
        done = subprocess.run(command, capture_output=True, text=True, cwd=output)
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        ((wheel,), (sdist,)) = output.glob("*.whl"), output.glob("*.tar.gz")
        found[name] = Built(wheel, sdist)
    return found


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "packages"),
    [
        ("groupvit_export", {"groupvit_export": Path(), "groupvit_kernels": Path("kernels")}),
        ("groupvit_runtime", {"groupvit_runtime": RUNTIME}),
    ],
)
def test_a_wheel_holds_every_file_of_its_packages_and_no_other(
    built: Mapping[str, Built], sources: Path, name: str, packages: Mapping[str, Path]
) -> None:
    with zipfile.ZipFile(built[name].wheel) as wheel:
        inside = {entry for entry in wheel.namelist() if ".dist-info/" not in entry}
    wanted = {
        path.relative_to(sources / parent).as_posix()
        for package, parent in packages.items()
        for path in (sources / parent / package).rglob("*")
        if path.is_file()
    }
    assert inside == wanted
    version = project(Path())["version"]
    assert built[name].wheel.name == f"{name}-{version}-py3-none-any.whl"
    with tarfile.open(built[name].sdist) as sdist:
        assert f"{name}-{version}/LICENSE" in sdist.getnames()


class Environment:
    """A virtual environment that has pip and what is installed into it, and sees nothing else."""

    def __init__(self, folder: Path) -> None:
        venv.create(folder, with_pip=True)
        self.binaries = folder / ("Scripts" if sys.platform == "win32" else "bin")
        self._variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(self, command: Sequence[str | Path], folder: Path) -> str:
        """Run one of its commands; what it prints."""
        program, *arguments = command
        done = subprocess.run(
            [self.binaries / program, *arguments],
            cwd=folder,
            env=self._variables,
            capture_output=True,
            text=True,
        )
        if program == "pip" and done.returncode != 0 and UNREACHABLE.search(done.stdout + done.stderr):
            pytest.skip("the package index cannot be reached")
        assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def has(self, names: Sequence[str], folder: Path) -> list[str]:
        """Those of the packages that can be imported."""
        code = (
            "import json, sys; from importlib.util import find_spec; "
            "print(json.dumps([name for name in sys.argv[1:] if find_spec(name)]))"
        )
        found: list[str] = json.loads(self.run(["python", "-c", code, *names], folder))
        return found


CONSTRAINED: Sequence[str | Path] = ("pip", "install", "--constraint", REPOSITORY / "constraints.txt")


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo for the one engine that is installed here."""
    output = tmp_path_factory.mktemp("bundle") / "openvino"
    command = [sys.executable, "-m", "groupvit_export.cli", "export", "--target", "openvino"]
    command += ["--precision", "fp32"]
    subprocess.run([*command, "-o", str(output), "--quiet"], check=True)
    return output


@pytest.fixture(scope="module")
def deployment(built: Mapping[str, Built], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """Both wheels and one engine."""
    folder = tmp_path_factory.mktemp("deployment")
    environment = Environment(folder / "environment")
    wheels: list[str | Path] = [
        built["groupvit_runtime"].wheel,
        f"{built['groupvit_export'].wheel}[openvino]",
    ]
    environment.run([*CONSTRAINED, *wheels], folder)
    return environment


@pytest.mark.slow
def test_the_runtime_alone_segments(
    built: Mapping[str, Built],
    bundle: Path,
    scenes,
    demo_labels: list[str],
    tmp_path: Path,
) -> None:
    environment = Environment(tmp_path / "environment")
    environment.run([*CONSTRAINED, f"{built['groupvit_runtime'].wheel}[openvino]"], tmp_path)
    assert environment.has((*ABSENT, "groupvit_export", "groupvit_kernels"), tmp_path) == []
    code = """
import sys, numpy as np
from groupvit_runtime import Segmenter
result = Segmenter.load(sys.argv[1])(sys.argv[2], sys.argv[3:])
np.save("labels.npy", result.labels)
result.overlay().save("overlay.png")
"""
    image = scenes.image(0)
    environment.run(["python", "-c", code, bundle, image, *demo_labels], tmp_path)
    expected = Segmenter.load(bundle)(image, demo_labels).labels
    assert np.array_equal(np.load(tmp_path / "labels.npy"), expected)
    assert (tmp_path / "overlay.png").stat().st_size > 0


@pytest.mark.slow
def test_a_deployment_has_no_pytorch_and_its_version_is_told(deployment: Environment, tmp_path: Path) -> None:
    assert deployment.has(ABSENT, tmp_path) == []
    assert project(Path())["version"] in deployment.run(["groupvit", "--version"], tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("verb", ["segment", "vocab", "inspect", "bench", "eval", "doctor"])
def test_the_verbs_of_a_deployment_need_one_engine_only(
    deployment: Environment, bundle: Path, scenes, tmp_path: Path, verb: str
) -> None:
    arguments: Mapping[str, Sequence[str | Path]] = {
        "segment": [bundle, scenes.image(0), "--labels", "background", "-o", tmp_path / "out"],
        "vocab": [bundle, "--labels", "background", "-o", tmp_path / "v.safetensors"],
        "inspect": [bundle],
        "bench": [bundle, "--rounds", "3", "--cold", "1", "--size", "own"],
        "eval": [
            *(bundle, "--dataset", "shapes", "--root", scenes.root, "--limit", "2"),
            *("-o", tmp_path / "evaluated"),
        ],
        "doctor": [],
    }
    assert deployment.run(["groupvit", verb, *arguments[verb]], tmp_path) != ""
    made = {"segment": "out/*.overlay.png", "vocab": "v.safetensors", "eval": "evaluated/*.json"}
    if verb in made:
        assert list(tmp_path.glob(made[verb]))


@pytest.mark.slow
def test_what_a_hint_says_resolves_in_a_clone(deployment: Environment, sources: Path) -> None:
    command, _, _ = install_hint("openvino").partition(" in a clone")
    printed = deployment.run([*shlex.split(command), "--dry-run"], sources)
    version = project(Path())["version"]
    assert f"Would install groupvit-export-{version} groupvit-runtime-{version}" in printed
