"""Modules to exported programs of PyTorch's own operators, in fixed shapes."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from groupvit_export.errors import ExportError
from groupvit_kernels.grouping_attention_torch import plain_forward
from groupvit_runtime.engines.failure import one_line
from groupvit_runtime.manifest import TensorInfo

_OP = torch.ops.groupvit.grouping_attention.default


def fixed(tensors: Sequence[TensorInfo], *sizes: int) -> tuple[TensorInfo, ...]:
    """The same with sizes in place of the dimensions that are open: the batch, then the length."""
    return tuple(
        replace(
            tensor, shape=tuple(sizes[axis] if side < 0 else side for axis, side in enumerate(tensor.shape))
        )
        for tensor in tensors
    )


class Named(nn.Module):
    """A module whose outputs have names."""

    def __init__(self, module: nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.module, self.names = module, tuple(names)

    def forward(self, *inputs: Tensor) -> dict[str, Tensor]:
        """What the module gives, by name."""
        found = self.module(*inputs)
        return dict(zip(self.names, (found,) if isinstance(found, Tensor) else found, strict=True))


def capture(module: nn.Module, inputs: Sequence[TensorInfo], outputs: Sequence[str]) -> ExportedProgram:
    """Capture a module in the shapes of its inputs, the grouping attention taken apart.

    Args:
        module: in evaluation mode; it is not changed.
        inputs: in the order of its parameters.
        outputs: names, in their order.

    Raises:
        ExportError: it cannot be captured.
    """
    examples = tuple(torch.zeros(info.shape, dtype=getattr(torch, info.dtype)) for info in inputs)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            # Of deprecations inside PyTorch.
            warnings.simplefilter("ignore", FutureWarning)
            program = torch.export.export(Named(module, outputs).eval(), examples)
            return program.run_decompositions({_OP: plain_forward})
    except Exception as error:
        raise ExportError(
            "PyTorch cannot capture the model in the shapes of a .tflite",
            got=f"{type(error).__name__}: {one_line(error)}",
            fix="install the versions of constraints-litert.txt",
        ) from error
