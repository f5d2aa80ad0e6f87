"""`groupvit::grouping_attention` as a PyTorch op, opaque to tracing, with a gradient.

An opaque op keeps the hard assignment in one piece: a compiler can neither reorder the softmax
and the argmax nor choose another tie rule. On CUDA it runs the Triton kernels; everywhere else,
and for float64, PyTorch's own operations.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from groupvit_kernels.grouping_attention_contract import check_inputs

Outputs = tuple[Tensor, Tensor, Tensor, Tensor]


@torch.library.custom_op("groupvit::grouping_attention", mutates_args=())
def grouping_attention(query: Tensor, tokens: Tensor, bias: Tensor, eps: float) -> Outputs:
    """Evaluate the contract.

    Its gradient is the straight-through estimator's: a token joins one group, and is derived as if it had
    joined every group by its share in the soft map. `index` has no gradient.

    Args:
        query: [B, G, C], float16, bfloat16, float32 or float64.
        tokens: [B, N, C], same dtype.
        bias: [B, G], same dtype.
        eps: positive.

    Returns:
        means [B, G, C], soft [B, G, N], index [B, N] int64, count [B, G]; floating-point outputs
        are float64 for float64 inputs and float32 otherwise.

    Raises:
        ValueError: the shapes break the contract; on CUDA also where they are outside what the kernels are
            made for (`groupvit_kernels.grouping_attention_variants`).
    """
    check_inputs(query, tokens, bias, eps)
    return plain_forward(query, tokens, bias, eps)


@grouping_attention.register_kernel("cuda")
def _(query: Tensor, tokens: Tensor, bias: Tensor, eps: float) -> Outputs:
    if query.dtype == torch.float64:
        check_inputs(query, tokens, bias, eps)
        return plain_forward(query, tokens, bias, eps)
    # Imported late: PyTorch for the CPU comes without Triton.
    from groupvit_kernels import grouping_attention_triton_launch

    return grouping_attention_triton_launch.forward(query, tokens, bias, eps)


@grouping_attention.register_fake
def _(query: Tensor, tokens: Tensor, bias: Tensor, eps: float) -> Outputs:
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


@torch.library.custom_op("groupvit::grouping_attention_backward", mutates_args=())
def grouping_attention_backward(
    query: Tensor,
    tokens: Tensor,
    means: Tensor,
    soft: Tensor,
    index: Tensor,
    count: Tensor,
    grad_means: Tensor,
    grad_soft: Tensor,
    grad_count: Tensor,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query [B, G, C], tokens [B, N, C] and bias [B, G], in the dtype of the inputs.

    Args:
        query, tokens: inputs of the op.
        means, soft, index, count: its outputs.
        grad_means, grad_soft, grad_count: gradients of its outputs, in their dtype.
        eps: as in the op.
    """
    return plain_backward(
        query, tokens, (means, soft, index, count), (grad_means, grad_soft, grad_count), eps
    )


@grouping_attention_backward.register_kernel("cuda")
def _(query: Tensor, tokens: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    outputs, gradients, eps = rest[:4], rest[4:7], rest[7]
    if query.dtype == torch.float64:
        return plain_backward(query, tokens, outputs, gradients, eps)
    from groupvit_kernels import grouping_attention_triton_launch

    return grouping_attention_triton_launch.backward(query, tokens, outputs, gradients, eps)


@grouping_attention_backward.register_fake
def _(query: Tensor, tokens: Tensor, *rest: Any) -> tuple[Tensor, Tensor, Tensor]:
    return (
        query.new_empty(query.shape),
        tokens.new_empty(tokens.shape),
        query.new_empty(query.shape[:2]),
    )


def _setup(ctx: Any, inputs: tuple[Any, ...], output: Outputs) -> None:
    query, tokens, _, eps = inputs
    ctx.save_for_backward(query, tokens, *output)
    ctx.eps = eps
    ctx.mark_non_differentiable(output[2])


def _backward(
    ctx: Any, grad_means: Tensor, grad_soft: Tensor, grad_index: Tensor, grad_count: Tensor
) -> tuple[Tensor, Tensor, Tensor, None]:
    saved = ctx.saved_tensors
    gradients = grouping_attention_backward(*saved, grad_means, grad_soft, grad_count, ctx.eps)
    return (*gradients, None)


grouping_attention.register_autograd(_backward, setup_context=_setup)


def plain_forward(query: Tensor, tokens: Tensor, bias: Tensor, eps: float) -> Outputs:
    """The contract in PyTorch's own operations, on any device."""
    wide = accumulation_dtype(query.dtype)
    query, tokens, bias = query.to(wide), tokens.to(wide), bias.to(wide)
    logits = torch.baddbmm(bias.unsqueeze(-1), query, tokens.transpose(1, 2))
    soft = logits.softmax(dim=1)
    # PyTorch documents the first of several maxima, which is the tie rule.
    index = logits.argmax(dim=1)
    # Compared rather than scattered: in compiled code a scatter would stand between two fused loops.
    groups = torch.arange(query.shape[1], device=query.device).unsqueeze(-1)
    hard = (index.unsqueeze(1) == groups).to(wide)
    count = hard.sum(dim=2)
    means = torch.bmm(hard, tokens) / (count + eps).unsqueeze(-1)
    return means, soft, index, count


def plain_backward(
    query: Tensor,
    tokens: Tensor,
    outputs: Outputs,
    gradients: tuple[Tensor, Tensor, Tensor],
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """The straight-through gradient in PyTorch's own operations.

    With A the one-hot assignment, S its sums over tokens, P the soft map and dA = dP::

        means_g  = sum_n A_gn x_n / (S_g + eps)
        dA_gn    = (dmeans_g . x_n - dmeans_g . means_g) / (S_g + eps) + dcount_g
        dlogits  = P (dA + dsoft - sum_h P_h (dA_h + dsoft_h))
        dx_n     = sum_g A_gn dmeans_g / (S_g + eps) + sum_g dlogits_gn q_g
        dq_g     = sum_n dlogits_gn x_n,   dbias_g = sum_n dlogits_gn
    """
    means, soft, index, count = outputs
    grad_means, grad_soft, grad_count = gradients
    wide = means.dtype
    wide_query, wide_tokens = query.to(wide), tokens.to(wide)
    size = (count + eps).unsqueeze(-1)
    slope = grad_means / size
    constant = grad_count.unsqueeze(-1) - (slope * means).sum(dim=-1, keepdim=True)
    total = torch.baddbmm(constant, slope, wide_tokens.transpose(1, 2)) + grad_soft
    logits = soft * (total - (soft * total).sum(dim=1, keepdim=True))
    own = slope.gather(1, index.unsqueeze(-1).expand(-1, -1, slope.shape[-1]))
    grad_tokens = torch.baddbmm(own, logits.transpose(1, 2), wide_query)
    grad_query = torch.bmm(logits, wide_tokens)
    return grad_query.to(query.dtype), grad_tokens.to(tokens.dtype), logits.sum(dim=2).to(query.dtype)


def accumulation_dtype(dtype: torch.dtype) -> torch.dtype:
    """Dtype of logits, sums and floating-point outputs for inputs of `dtype`."""
    return torch.float64 if dtype == torch.float64 else torch.float32
