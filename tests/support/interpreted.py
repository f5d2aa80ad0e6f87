"""Triton's kernels where there is no GPU: its interpreter, and the device that tests run on."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
"""With a GPU the same tests run the compiled kernels on it."""


def prepare() -> None:
    """Make the interpreter multiply bfloat16; to be called before a kernel runs.

    It keeps bfloat16 as the integers of its bits, and multiplies these (Triton 3.4 to 3.9).
    """
    interpreted = os.environ.get("TRITON_INTERPRET") == "1"
    if DEVICE == "cuda":
        assert not interpreted, (
            "there is a GPU, and TRITON_INTERPRET=1 would keep the kernels off it: unset it"
        )
        return
    assert interpreted, (
        "PyTorch sees no GPU, and TRITON_INTERPRET is not 1; tests/conftest.py sets it if nobody has"
    )
    from triton.runtime import interpreter

    genuine = interpreter.InterpreterBuilder.create_dot
    if getattr(genuine, "widens", False):
        return

    def widened(handle: Any) -> Any:
        if not handle.dtype.scalar.is_bf16():
            return handle
        bits = handle.data.astype(np.uint32) << 16
        return interpreter.TensorHandle(bits.view(np.float32), interpreter.tl.float32)

    def create_dot(self: Any, a: Any, b: Any, d: Any, *rest: Any) -> Any:
        return genuine(self, widened(a), widened(b), d, *rest)

    create_dot.widens = True  # type: ignore[attr-defined]
    interpreter.InterpreterBuilder.create_dot = create_dot


def poisoned(tensor: torch.Tensor) -> torch.Tensor:
    """The same memory full of NaN, or of a number that no index is."""
    return tensor.fill_(float("nan") if tensor.is_floating_point() else -(2**40))
