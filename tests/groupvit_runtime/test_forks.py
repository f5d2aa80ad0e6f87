"""Children forked from a process that has loaded a zipped bundle. One that hangs is killed, and fails."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from groupvit_runtime.engines import ENGINES

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

SCRIPT = Path(__file__).resolve().parents[1] / "support" / "fork_child.py"
LITERT = Path(__file__).resolve().parents[1] / "data" / "litert"
LIMIT = 150.0
"""Seconds for the whole of a program; it gives its child 30."""

ENDS = ("sys.exit", "os._exit", "process", "freed")


def forked(bundle: Path, way: str, scratch: Path) -> str:
    temporary = scratch / "temporary"
    temporary.mkdir()
    environment = os.environ | {
        "TMPDIR": str(temporary),
        # ONNX Runtime's thread for events makes every child wait that ends by sys.exit, used or not.
        "ORT_DISABLE_TELEMETRY": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    command = [sys.executable, str(SCRIPT), str(bundle), way]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=LIMIT)
    assert done.returncode == 0, f"{way}\n{done.stdout}\n{done.stderr[-4000:]}"
    left = [path.name for path in temporary.iterdir() if path.name.startswith("groupvit-bundle-")]
    assert not left, "the parent did not remove what it unpacked"
    return done.stdout


OPENS = """
import os, sys
from groupvit_runtime.open_bundle import open_bundle
bundle = open_bundle(sys.argv[1])
child = os.fork()
if child == 0:
    sys.exit(0)
os.waitpid(child, 0)
assert (bundle.root / "manifest.json").is_file(), "the child removed the parent's folder"
"""


def test_a_child_does_not_remove_what_the_parent_unpacked(
    demo_bundles: Mapping[str, Path], tmp_path: Path
) -> None:
    archive = shutil.make_archive(str(tmp_path / "bundle"), "zip", demo_bundles["openvino"])
    command = [sys.executable, "-c", OPENS, archive]
    done = subprocess.run(command, capture_output=True, text=True, timeout=LIMIT)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("target", ["onnx", "openvino"])
@pytest.mark.parametrize("way", ENDS)
def test_a_child_that_ends_leaves_the_parents_engine_alone(
    demo_bundles: Mapping[str, Path], tmp_path: Path, target: str, way: str
) -> None:
    assert forked(demo_bundles[target], way, tmp_path) == "parent\n"


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_a_child_is_told_not_to_use_the_parents_engine(
    demo_bundles: Mapping[str, Path], tmp_path: Path, target: str
) -> None:
    said = forked(demo_bundles[target], "run", tmp_path)
    assert said.count("load after the fork, or use spawn") == 2
    assert said.endswith("parent\n")


@pytest.mark.parametrize("target", ["onnx", "openvino"])
def test_a_child_may_load_an_engine_of_its_own(
    demo_bundles: Mapping[str, Path], tmp_path: Path, target: str
) -> None:
    assert ENGINES[target].forks
    assert forked(demo_bundles[target], "load", tmp_path) == "nothing\nparent\n"


@pytest.mark.parametrize("way", [*ENDS, "run"])
def test_torch_is_guarded_as_the_others(torch_bundle: Path, tmp_path: Path, way: str) -> None:
    said = forked(torch_bundle, way, tmp_path)
    assert said.endswith("parent\n")
    assert said.count("load after the fork, or use spawn") == (2 if way == "run" else 0)


def test_a_child_may_not_load_torch_again(torch_bundle: Path, tmp_path: Path) -> None:
    """PyTorch's own threads are missing in it, and the first run would wait for them."""
    said = forked(torch_bundle, "load", tmp_path)
    assert "the target torch was loaded before this process was forked" in said
    assert said.endswith("parent\n")


@pytest.mark.parametrize(("way", "refused"), [("freed", 0), ("load", 0), ("run", 2)])
def test_litert_is_guarded_as_the_others(tmp_path: Path, way: str, refused: int) -> None:
    pytest.importorskip("ai_edge_litert", reason="LiteRT is missing, which the extra litert-runtime brings")
    said = forked(LITERT, way, tmp_path)
    assert said.count("load after the fork, or use spawn") == refused
    assert said.endswith("nothing\nparent\n" if way == "load" else "parent\n")
