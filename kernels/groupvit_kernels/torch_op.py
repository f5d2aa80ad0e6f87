"""`groupvit::grouping_attention` as a PyTorch op, opaque to tracing.

An opaque op keeps the hard assignment in one piece: a compiler can neither reorder the softmax
and the argmax nor choose another tie rule.
"""

from __future__ import annotations

import torch
from torch import Tensor

from groupvit_kernels.contract import check_inputs


@torch.library.custom_op("groupvit::grouping_attention", mutates_args=())
def grouping_attention(
    query: Tensor, tokens: Tensor, bias: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Evaluate the contract with PyTorch's own operations.

    Args:
        query: [B, G, C], float16, bfloat16, float32 or float64.
        tokens: [B, N, C], same dtype.
        bias: [B, G], same dtype.
        eps: positive.

    Returns:
        means [B, G, C], soft [B, G, N], index [B, N] int64, count [B, G]; floating-point outputs
        are float64 for float64 inputs and float32 otherwise.

    Raises:
        ValueError: the shapes break the contract.
    """
    check_inputs(query, tokens, bias, eps)
    wide = accumulation_dtype(query.dtype)
    query, tokens, bias = query.to(wide), tokens.to(wide), bias.to(wide)
    logits = torch.baddbmm(bias.unsqueeze(-1), query, tokens.transpose(1, 2))
    soft = logits.softmax(dim=1)
    # PyTorch documents the first of several maxima, which is the tie rule.
    index = logits.argmax(dim=1)
    hard = torch.zeros_like(logits).scatter_(1, index.unsqueeze(1), 1.0)
    count = hard.sum(dim=2)
    means = torch.bmm(hard, tokens) / (count + eps).unsqueeze(-1)
    return means, soft, index, count


@grouping_attention.register_fake
def _(query: Tensor, tokens: Tensor, bias: Tensor, eps: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    check_inputs(query, tokens, bias, eps)
    batch, groups, channels = query.shape
    length = tokens.shape[1]
    wide = accumulation_dtype(query.dtype)
    return (
        query.new_empty((batch, groups, channels), dtype=wide),
        query.new_empty((batch, groups, length), dtype=wide),
        query.new_empty((batch, length), dtype=torch.int64),
        query.new_empty((batch, groups), dtype=wide),
    )


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """Dtype of logits, sums and floating-point outputs for inputs of `dtype`."""
    return torch.float64 if dtype == torch.float64 else torch.float32
