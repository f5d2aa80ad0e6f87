"""Processes to which PyTorch is not installed, nor are its kin: what a deployment is."""

from __future__ import annotations

import subprocess
import sys

_BLOCK = """
import sys

ABSENT = {"torch", "onnx", "onnxscript", "transformers", "triton", "groupvit_kernels", "scipy", "skimage",
          "psutil"}

class Hide:
    def __init__(self, finder):
        self.finder = finder
    def find_spec(self, name, path=None, target=None):
        return None if name.split(".")[0] in ABSENT else self.finder.find_spec(name, path, target)
    def __getattr__(self, name):
        return getattr(self.finder, name)

sys.meta_path[:] = [Hide(finder) for finder in sys.meta_path]
"""


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python `code`, for which `sys` is imported, with `arguments` in `sys.argv`."""
    return subprocess.run(
        [sys.executable, "-c", _BLOCK + code, *arguments], capture_output=True, text=True, timeout=120
    )
