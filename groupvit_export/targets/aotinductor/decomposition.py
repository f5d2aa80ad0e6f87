"""What the grouping attention becomes in a package.

The op is a Python function; left opaque, the package would call back into Python and no C++ program could
run it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.export import ExportedProgram

from groupvit_kernels.grouping_attention_torch import plain_forward

OP = torch.ops.groupvit.grouping_attention.default

Outputs = tuple[Tensor, Tensor, Tensor, Tensor]


def decompose(program: ExportedProgram, device: str) -> ExportedProgram:
    """Replace the op by what Inductor compiles: plain operations on "cpu", a Triton kernel on "cuda"."""
    return program.run_decompositions({OP: _implementation(device)})


def _implementation(device: str) -> Callable[[Tensor, Tensor, Tensor, float], Outputs]:
    if device == "cpu":
        # Inductor's reduction keeps the first of several maxima on the CPU, as PyTorch documents for argmax.
        return plain_forward
    from groupvit_kernels import grouping_attention_triton_op

    implementation: Callable[[Tensor, Tensor, Tensor, float], Outputs] = (
        grouping_attention_triton_op.grouping_attention
    )
    return implementation
