"""Modules to exported programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from groupvit_export.targets.aotinductor.decomposition import OP
from groupvit_kernels import grouping_attention_torch
from groupvit_runtime.engines.torch import GroupingSizes
from groupvit_runtime.manifest import TensorInfo

# More than one of everything that stays dynamic: a size of one would be taken for a constant.
_EXAMPLE_BATCH, _EXAMPLE_LENGTH = 2, 5


def capture(
    module: nn.Module, inputs: Sequence[TensorInfo], device: str, longest: int | None = None
) -> ExportedProgram:
    """Capture a module that takes `inputs`.

    Args:
        module: on `device`, in evaluation mode.
        inputs: in the order of its parameters; the first dimension is the batch, a second one that is chosen
            at run time the length of sentences.
        device: "cpu" or "cuda".
        longest: most tokens of a sentence.
    """
    dims = (torch.export.Dim("batch", min=1), torch.export.Dim("length", min=2, max=longest))
    sizes = (_EXAMPLE_BATCH, min(_EXAMPLE_LENGTH, longest or _EXAMPLE_LENGTH))
    examples: list[Tensor] = []
    dynamic: list[dict[int, Any]] = []
    for info in inputs:
        shape = [sizes[axis] if side < 0 else side for axis, side in enumerate(info.shape)]
        examples.append(torch.zeros(shape, dtype=getattr(torch, info.dtype), device=device))
        dynamic.append({axis: dims[axis] for axis, side in enumerate(info.shape) if side < 0})
    with torch.no_grad():
        return torch.export.export(module, tuple(examples), dynamic_shapes=tuple(dynamic))


def grouping_sizes(program: ExportedProgram) -> tuple[GroupingSizes, ...]:
    """Sizes of the grouping attention in every stage, from a program that is not decomposed yet."""
    sizes = []
    for node in program.graph.nodes:
        if node.target is OP:
            query, tokens, _, eps = node.args
            _, groups, channels = query.meta["val"].shape
            sizes.append(GroupingSizes(int(groups), int(tokens.meta["val"].shape[1]), int(channels), eps))
    return tuple(sizes)


class Grouping(nn.Module):
    """The grouping attention by itself."""

    def __init__(self, eps: float) -> None:
        super().__init__()
        self.eps = eps

    def forward(self, query: Tensor, tokens: Tensor, bias: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """See `groupvit_kernels.grouping_attention_torch.grouping_attention`."""
        return grouping_attention_torch.grouping_attention(query, tokens, bias, self.eps)
