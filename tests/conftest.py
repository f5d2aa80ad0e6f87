"""Fixtures that several packages' tests share."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Before anything imports Triton: without a GPU its kernels are interpreted.
if not os.path.exists("/dev/nvidiactl"):  # noqa: PTH110 - nothing else is imported yet
    os.environ.setdefault("TRITON_INTERPRET", "1")

# Before anything counts processors: engines wait by spinning, and two workers whose threads share the
# processors spend most of their time on that.
if (worker := os.environ.get("PYTEST_XDIST_WORKER")) and hasattr(os, "sched_setaffinity"):
    usable = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {usable[int(worker.removeprefix("gw")) % len(usable)]})

import hypothesis
import pytest
from captures import Captures
from filelock import FileLock

from examples.shapes.scenes import TEST_SEED, write_scenes
from groupvit_export.build import graphs
from groupvit_export.data.bundled import DEMO_LABELS, DEMO_SCENES
from groupvit_export.graph.capture import capture_image_encoder
from groupvit_export.graph.precision import HALVES
from groupvit_export.graph.text_capture import TextCapture
from groupvit_export.pipeline.api import ExportOptions, export_bundle
from groupvit_export.targets.aotinductor.toolchain import compiler_name, has_compiler
from groupvit_export.targets.tensorrt.options import TrtOptions
from groupvit_runtime.engines import ENGINES

# Examples differ from run to run at home and are the same in CI; a busy machine is no failure. There are
# few: `make soak` is for more.
hypothesis.settings.register_profile(
    "toolkit", deadline=None, derandomize="CI" in os.environ, max_examples=40
)
hypothesis.settings.load_profile("toolkit")

# `torch` compiles for a minute, and is a deployment with PyTorch: it has a fixture and tests of its own.
# `litert` is converted in another environment: a small bundle of it is stored. `web` has `onnx`'s engines.
_APART = ("torch", "litert")
ON_CPU = sorted(target for target in ENGINES if "cpu" in ENGINES[target].devices and target not in _APART)

pytest_plugins = ["skip_summary"]

REPOSITORY = Path(__file__).resolve().parent.parent

# What takes minutes to make is made by one of the workers of `pytest -n`, for all tests that need it.
_COMPILED, _PLANS = "compiled", "plans"
_MADE_ONCE = {"torch_bundle": _COMPILED, "trt_bundles": _PLANS, "int8_plan": _PLANS}
# Of these, what takes so long to make that the tests that need it are slow.
_TAKES_MINUTES = frozenset({"torch_bundle"})


# Before xdist reads the groups.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep a file's tests on one worker, and the tests that share something long; the longest start first."""
    cpp = REPOSITORY / "tests" / "groupvit_runtime_cpp"
    groups: dict[pytest.Item, str] = {}
    for item in items:
        # A parameter of that name is no fixture.
        parameters = item.callspec.params if hasattr(item, "callspec") else {}
        uses_shared = "shared" in getattr(item, "fixturenames", ()) and "shared" not in parameters
        if uses_shared and item.get_closest_marker("slow") is None:
            raise pytest.UsageError(
                f"{item.nodeid} would be skipped on most machines: it uses the folder of shared test data. "
                "Put what it reads into tests/data with its license, or mark the test as slow."
            )
        if _TAKES_MINUTES.intersection(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
        file = item.path.relative_to(REPOSITORY / "tests").as_posix()
        wanted = [_MADE_ONCE[name] for name in getattr(item, "fixturenames", ()) if name in _MADE_ONCE]
        group = _COMPILED if item.path.is_relative_to(cpp) else wanted[0] if wanted else file
        groups[item] = group
        item.add_marker(pytest.mark.xdist_group(group))
    order = {_COMPILED: 0, _PLANS: 1}
    items.sort(key=lambda item: order.get(groups[item], 2))


@dataclass(frozen=True)
class Scenes:
    """Images with ground truth, none of which the model was trained on."""

    root: Path
    entries: tuple[dict[str, Any], ...]

    def image(self, index: int) -> Path:
        return self.root / "images" / self.entries[index]["file"]

    def mask(self, index: int) -> Path:
        return self.root / "masks" / self.entries[index]["file"]


@pytest.fixture(scope="session")
def of_all_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of this run, the same one for every worker of `pytest -n`."""
    own = tmp_path_factory.getbasetemp()
    folder = (own.parent if "PYTEST_XDIST_WORKER" in os.environ else own) / "of-all-workers"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="session", autouse=True)
def captured_once(of_all_workers: Path) -> Iterator[None]:
    """Exports in this process take an encoder's graph from the first that captured it."""
    with pytest.MonkeyPatch.context() as patch:
        captures = Captures(of_all_workers)
        patch.setattr(graphs, "capture_image_encoder", captures.image)
        patch.setattr(graphs, "TextCapture", captures.text)
        yield


@pytest.fixture
def captures_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exports of this test capture for themselves."""
    monkeypatch.setattr(graphs, "capture_image_encoder", capture_image_encoder)
    monkeypatch.setattr(graphs, "TextCapture", TextCapture)


@pytest.fixture(scope="session")
def clip_merges() -> Path:
    """CLIP's byte-pair merges, which the published checkpoints' tokenizer is built from."""
    return REPOSITORY / "tests" / "data" / "clip-bpe" / "bpe_simple_vocab_16e6.txt.gz"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared test data, for slow tests; its place can be given as GROUPVIT_SHARED."""
    path = Path(os.environ.get("GROUPVIT_SHARED", REPOSITORY.parent / "shared"))
    if not path.is_dir():
        pytest.skip(f"the shared test data is not at {path}; set GROUPVIT_SHARED to where it is")
    return path


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Scenes:
    root = tmp_path_factory.mktemp("scenes")
    for _ in write_scenes(root, 40, seed=TEST_SEED, workers=1):
        pass
    return Scenes(root, tuple(json.loads((root / "scenes.json").read_text())["scenes"]))


@pytest.fixture(scope="session")
def shared_scenes(shared: Path) -> Scenes:
    """Colored shapes, for the checkpoint that lies beside them."""
    root = shared / "scenes"
    return Scenes(root, tuple(json.loads((root / "scenes.json").read_text())["scenes"]))


@pytest.fixture(scope="session")
def demo_bundles(of_all_workers: Path) -> Mapping[str, Path]:
    """The demo exported for every target that runs on a CPU. Tests that change a bundle copy it first."""
    bundles = {target: of_all_workers / "demo" / target for target in ON_CPU}
    with FileLock(of_all_workers / "demo.lock"):
        for target, bundle in bundles.items():
            if not bundle.exists():
                export_bundle(ExportOptions(target=target, precision="fp32", output=bundle))
    return bundles


@pytest.fixture(scope="session")
def trt_bundles(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """The demo built by TensorRT-RTX, which needs no GPU to build, in every precision that is a type."""
    pytest.importorskip(
        "tensorrt_rtx", reason="TensorRT-RTX is not installed; it is not made for this system"
    )
    return _Plans(tmp_path_factory.mktemp("plans"))


class _Plans(Mapping[str, Path]):
    """Exported when they are asked for: half precision takes minutes without a GPU."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[str, Path] = {}

    def __getitem__(self, precision: str) -> Path:
        if precision not in self._made:
            options = ExportOptions(
                target="trt",
                precision=precision,
                output=self._folder / precision,
                target_options=TrtOptions(flavor="rtx"),
            )
            self._made[precision] = export_bundle(options).path
        return self._made[precision]

    def __iter__(self) -> Iterator[str]:
        return iter(("fp32", *HALVES))

    def __len__(self) -> int:
        return 1 + len(HALVES)


@pytest.fixture(scope="session")
def few_scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight scenes with masks, to calibrate int8 with."""
    root = tmp_path_factory.mktemp("calibration")
    for kind in ("images", "masks"):
        (root / kind).mkdir()
        for path in sorted((DEMO_SCENES / kind).iterdir())[:8]:
            shutil.copy(path, root / kind)
    shutil.copy(DEMO_SCENES / "classes.txt", root)
    return root


@pytest.fixture(scope="session")
def torch_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The demo compiled by AOTInductor for the CPU. Tests that change it copy it first."""
    if not has_compiler():
        pytest.skip(f"there is no compiler {compiler_name()}: apt-get install g++, or set CXX")
    output = tmp_path_factory.mktemp("packages") / "torch"
    return export_bundle(ExportOptions(target="torch", precision="fp32", output=output)).path


@pytest.fixture(params=ON_CPU)
def demo_bundle(request: pytest.FixtureRequest, demo_bundles: Mapping[str, Path]) -> Path:
    return demo_bundles[request.param]


@pytest.fixture(scope="session")
def demo_labels() -> list[str]:
    return list(DEMO_LABELS)
