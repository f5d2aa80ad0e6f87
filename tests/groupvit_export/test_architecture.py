"""What a reader relies on: who names a target, and what importing costs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import groupvit_export
from groupvit_export.targets.registry import TARGETS

PACKAGE = Path(groupvit_export.__file__).parent
# Names of backends by what a manifest says, which no target has to know.
BY_MANIFEST = "triton_server/backends.py"
HEAVY = ("torch", "onnx", "onnxruntime", "openvino", "nncf", "tensorrt_rtx")


@pytest.mark.parametrize("name", [name for name in TARGETS if name != "onnx"])
def test_nobody_but_the_targets_knows_one_by_name(name: str) -> None:
    """ "onnx" is a format too; the other names mean a target, or a package that a target needs."""
    naming = [
        path.relative_to(PACKAGE).as_posix()
        for path in PACKAGE.rglob("*.py")
        if any(quoted in path.read_text(encoding="utf-8") for quoted in (f'"{name}"', f"'{name}'"))
    ]
    assert naming and all(path.startswith("targets/") or path == BY_MANIFEST for path in naming)


@pytest.mark.parametrize(
    "program",
    [
        "from groupvit_export import export, verify, load_model",
        "from groupvit_export.targets.registry import TARGETS, parse_options; parse_options('trt', {})",
        "from groupvit_export.cli.target_options import TargetFlags",
    ],
)
def test_nothing_heavy_is_imported(program: str) -> None:
    code = f"import sys; {program}; print(sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == "[]", done.stderr
