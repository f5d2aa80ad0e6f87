"""Linear layers of given parameters: what passes build their results of."""

from __future__ import annotations

from torch import Tensor, nn


def linear(weight: Tensor, bias: Tensor | None) -> nn.Linear:
    """A layer with copies of `weight` [out, in] and `bias` [out], without gradient."""
    layer = nn.Linear(
        weight.shape[1], weight.shape[0], bias=bias is not None, dtype=weight.dtype, device=weight.device
    )
    layer.weight = constant(weight.contiguous())
    if bias is not None:
        layer.bias = constant(bias)
    return layer


def constant(value: Tensor) -> nn.Parameter:
    """A copy of `value` as a parameter without gradient."""
    return nn.Parameter(value.detach().clone(), requires_grad=False)
