"""Linear layers of given parameters: what passes build their results of."""

from __future__ import annotations

import torch
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


def after(affine_weight: Tensor, affine_bias: Tensor, layer: nn.Linear) -> nn.Linear:
    """`layer` of ``x * affine_weight + affine_bias``, as one layer of ``x``.

    Formed in float64 and rounded once.

    Args:
        affine_weight, affine_bias: [in].
        layer: whose bias may be absent.
    """
    with torch.no_grad():
        dtype, weight = layer.weight.dtype, layer.weight.double()
        bias = weight @ affine_bias.double()
        if layer.bias is not None:
            bias = layer.bias.double() + bias
        return linear((weight * affine_weight.double()).to(dtype), bias.to(dtype))
