"""A library inside a product asks no network and leaves no file; nor do the packages that it brings along."""

from __future__ import annotations

import ast
import json
import os
import sys
from pathlib import Path

import pytest
from observed import observe

from groupvit_runtime.without_telemetry import telemetry_off

REPOSITORY = Path(__file__).resolve().parents[2]

# Collecting packages, and the files that may import them.
_ALLOWED = {
    "onnxruntime": (
        "runtimes/python/groupvit_runtime/without_telemetry/onnxruntime.py",
        # Its tools for quantizing, once it is imported.
        "benchmarks/peers/plain.py",
    ),
    "openvino": ("runtimes/python/groupvit_runtime/without_telemetry/openvino.py",),
    "openvino_telemetry": (),
    "nncf": ("groupvit_export/quantization/calibrate.py", "benchmarks/peers/plain.py"),
}

# What a program is to find as it was.
_SEGMENT = """
import json, locale, os, signal, sys

def state():
    handlers = {str(number): repr(signal.getsignal(number)) for number in signal.valid_signals()}
    return {"environment": dict(os.environ), "folder": os.getcwd(), "locale": locale.setlocale(locale.LC_ALL),
            "signals": handlers, "umask": os.umask(0o22), "hook": repr(sys.excepthook),
            "recursion": sys.getrecursionlimit()}

os.umask(0o22)
before = state()
from groupvit_runtime import Segmenter
result = Segmenter.load(sys.argv[1])(sys.argv[2], ["sky", "tree"])
after = state()
print(json.dumps([result.labels.shape, [name for name in before if before[name] != after[name]]]))
"""


@pytest.mark.parametrize(
    ("code", "sockets"),
    [
        ("import socket; socket.getaddrinfo('no.example', 80)", True),
        ("import ctypes; ctypes.CDLL(None).syscall(SOCKET, 2, 1, 0)", True),
        ("import os; os.fork() or __import__('socket').socket()", True),
        ("import socket; socket.socketpair()", False),
    ],
    ids=["name", "system call", "child", "pair"],
)
def test_the_observer_sees_sockets(tmp_path: Path, code: str, sockets: bool) -> None:
    number = {"x86_64": "41", "aarch64": "198"}.get(os.uname().machine, "")
    seen = observe(tmp_path / "seen", sys.executable, "-c", code.replace("SOCKET", number))
    assert any(family.startswith("AF_INET") for family in seen.sockets) == sockets, seen


def test_the_observer_sees_files(tmp_path: Path) -> None:
    code = "import pathlib, tempfile; (pathlib.Path.home() / 'a').touch(); tempfile.mkdtemp(prefix='b')"
    seen = observe(tmp_path / "seen", sys.executable, "-c", code)
    assert [name[:5] for name in seen.written] == ["home/", "tmp/b"], seen


def test_segmenting_asks_no_network_and_leaves_no_file(demo_bundle: Path, scenes, tmp_path: Path) -> None:
    seen = observe(tmp_path / "seen", sys.executable, "-c", _SEGMENT, demo_bundle, scenes.image(0))
    assert (seen.status, seen.sockets, seen.written) == (0, (), ()), seen
    assert seen.stderr == ""
    assert json.loads(seen.stdout) == [[224, 224], []], "the program is not as it was"


@pytest.mark.slow
def test_a_program_that_lives_on_asks_no_network(demo_bundle: Path, scenes, tmp_path: Path) -> None:
    # ONNX Runtime uploads for the first time after ten seconds.
    code = _SEGMENT + "import time; time.sleep(20)"
    seen = observe(tmp_path / "seen", sys.executable, "-c", code, demo_bundle, scenes.image(0))
    assert (seen.status, seen.sockets, seen.written) == (0, (), ()), seen


def test_importing_tensorrt_asks_no_network_and_leaves_no_file(tmp_path: Path) -> None:
    pytest.importorskip("tensorrt_rtx", reason="TensorRT-RTX is not installed")
    code = "from groupvit_runtime.engines.tensorrt_flavors import import_flavor; import_flavor('rtx', '')"
    seen = observe(tmp_path / "seen", sys.executable, "-c", code)
    assert (seen.status, seen.sockets, seen.written) == (0, (), ()), seen


@pytest.mark.slow
def test_pytorch_asks_no_network_and_leaves_no_file(torch_bundle: Path, scenes, tmp_path: Path) -> None:
    seen = observe(tmp_path / "seen", sys.executable, "-c", _SEGMENT, torch_bundle, scenes.image(0))
    assert (seen.status, seen.sockets, seen.written) == (0, (), ()), seen
    assert seen.stderr == ""
    assert json.loads(seen.stdout) == [[224, 224], []], "the program is not as it was"


@pytest.mark.parametrize(
    "folder", ["runtimes/python/groupvit_runtime", "groupvit_export", "kernels", "benchmarks"]
)
def test_packages_that_collect_are_imported_in_one_place(folder: str) -> None:
    files = sorted((REPOSITORY / folder).rglob("*.py"))
    assert files
    wrong = [
        f"{name}:{line} imports {module}"
        for path in files
        for line, module in _imports(ast.parse(path.read_text("utf-8")))
        if (name := path.relative_to(REPOSITORY).as_posix()) not in _ALLOWED.get(module, (name,))
    ]
    assert not wrong, "import them from groupvit_runtime.without_telemetry"


def test_the_environment_is_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "no")
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    monkeypatch.delitem(sys.modules, "openvino", raising=False)
    before = dict(os.environ)
    with telemetry_off("onnxruntime"):
        assert os.environ["ORT_DISABLE_TELEMETRY"] == "1" and os.environ["CI"] == "no"
    with pytest.raises(ImportError), telemetry_off("openvino"):
        assert os.environ["CI"] == "true"
        raise ImportError
    assert dict(os.environ) == before


def test_what_the_user_chose_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    monkeypatch.delitem(sys.modules, "onnxruntime", raising=False)
    with telemetry_off("onnxruntime"):
        assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"


def test_what_was_imported_before_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORT_DISABLE_TELEMETRY", raising=False)
    monkeypatch.setitem(sys.modules, "onnxruntime", sys)
    with telemetry_off("onnxruntime"):
        assert "ORT_DISABLE_TELEMETRY" not in os.environ


def _imports(tree: ast.AST) -> list[tuple[int, str]]:
    """Line and top package of every import, those by name included."""
    found: list[tuple[int, str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(node.lineno, alias.name.split(".")[0]) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            found.append((node.lineno, node.module.split(".")[0]))
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name | ast.Attribute):
            called = node.func.id if isinstance(node.func, ast.Name) else node.func.attr
            first = node.args[0] if node.args else None
            if called in ("import_module", "__import__") and isinstance(first, ast.Constant):
                found.append((node.lineno, str(first.value).split(".")[0]))
    return found
