"""Launching the Triton kernels on PyTorch tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

from groupvit_kernels import grouping_attention_triton
from groupvit_kernels.grouping_attention_contract import check_inputs
from groupvit_kernels.grouping_attention_variants import Variant, choose_variant

_NAMES: Final = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}

_BACKWARD_BLOCK: Final = 32
"""Tokens and channels of the gradient's tiles, in float32 whatever the inputs are."""


def forward(
    query: Tensor,
    tokens: Tensor,
    bias: Tensor,
    eps: float,
    *,
    variant: Variant | None = None,
    wrap: Callable[[Any], Any] = lambda kernel: kernel,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Compute the op.

    Args:
        query: [B, G, C], float32, float16 or bfloat16, of any strides.
        tokens: [B, N, C], same dtype.
        bias: [B, G], same dtype.
        eps: positive.
        variant: None for what the table says.
        wrap: put around every kernel before it is launched.

    Returns:
        means [B, G, C], soft [B, G, N] float32, index [B, N] int64, count [B, G] float32, contiguous.

    Raises:
        ValueError: the shapes break the contract, or are outside what the kernels are made for.
    """
    check_inputs(query, tokens, bias, eps)
    batch, groups, channels = query.shape
    length = tokens.shape[1]
    if variant is None:
        variant = variant_for(query, tokens)
    means, soft, index, count = empty_outputs(query, tokens)
    if batch == 0:
        return means, soft, index, count
    sizes = (groups, length, channels)
    strides = (*query.stride(), *tokens.stride(), *bias.stride())
    meta = launch_options(variant)
    slabs = blocks(channels, variant.block_c)
    if variant.name == "fused":
        wrap(grouping_attention_triton.fused)[(batch, slabs)](
            query, tokens, bias, means, soft, index, count, *sizes, eps, *strides, **meta
        )
        return means, soft, index, count
    wrap(grouping_attention_triton.assign)[(batch, blocks(length, variant.block_n))](
        query, tokens, bias, soft, index, *sizes, *strides, **meta
    )
    wrap(grouping_attention_triton.group_mean)[(batch, slabs)](
        tokens, index, means, count, *sizes, eps, *tokens.stride(), **meta
    )
    return means, soft, index, count


def backward(
    query: Tensor,
    tokens: Tensor,
    outputs: tuple[Tensor, Tensor, Tensor, Tensor],
    gradients: tuple[Tensor, Tensor, Tensor],
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of query, tokens and bias by the straight-through estimator, as
    `grouping_attention_torch.plain_backward` defines them.

    Args:
        query, tokens: as in `forward`.
        outputs: means, soft, index, count of `forward`.
        gradients: of means, soft and count, float32.
        eps: as in `forward`.

    Returns:
        Of query [B, G, C], tokens [B, N, C] and bias [B, G], in the dtype of the inputs.
    """
    batch, groups, channels = query.shape
    length = tokens.shape[1]
    means, soft, index, count = outputs
    grad_means, grad_soft, grad_count = (gradient.contiguous() for gradient in gradients)
    grad_logits = soft.new_empty(soft.shape)
    grad_tokens = tokens.new_empty(tokens.shape)
    grad_query = query.new_empty(query.shape)
    grad_bias = query.new_empty((batch, groups))
    if batch == 0:
        return grad_query, grad_tokens, grad_bias
    block = _BACKWARD_BLOCK
    meta = launch_options(
        Variant("backward", max(16, 1 << (groups - 1).bit_length()), block, block, num_warps=4, num_stages=2)
    )
    sizes = (groups, length, channels)
    grouping_attention_triton.backward_tokens[(batch, blocks(length, block))](
        query, tokens, means, soft, index, count, grad_means, grad_soft, grad_count, grad_logits, grad_tokens,
        *sizes, eps, *query.stride(), *tokens.stride(), **meta,
    )  # fmt: skip
    grouping_attention_triton.backward_groups[(batch, blocks(channels, block))](
        tokens, grad_logits, grad_query, grad_bias, *sizes, *tokens.stride(), **meta
    )
    return grad_query, grad_tokens, grad_bias


def variant_for(query: Tensor, tokens: Tensor) -> Variant:
    """What the table says for these tensors."""
    arch = 0
    if query.is_cuda:
        major, minor = torch.cuda.get_device_capability(query.device)
        arch = 10 * major + minor
    dtype = _NAMES.get(query.dtype, str(query.dtype))
    return choose_variant(query.shape[1], tokens.shape[1], query.shape[2], dtype, arch)


def empty_outputs(query: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Memory for the outputs, contiguous and not yet written."""
    batch, groups, channels = query.shape
    length = tokens.shape[1]
    return (
        query.new_empty((batch, groups, channels), dtype=torch.float32),
        query.new_empty((batch, groups, length), dtype=torch.float32),
        query.new_empty((batch, length), dtype=torch.int64),
        query.new_empty((batch, groups), dtype=torch.float32),
    )


def launch_options(variant: Variant) -> dict[str, Any]:
    """Constants of the kernels, and how they are compiled."""
    return {
        "GROUPS": variant.groups,
        "BLOCK_N": variant.block_n,
        "BLOCK_C": variant.block_c,
        "num_warps": variant.num_warps,
        "num_stages": variant.num_stages,
        # Its default changes between versions, and with it the last bits of every logit.
        "enable_fp_fusion": True,
    }


def blocks(size: int, block: int) -> int:
    """How many blocks hold `size`."""
    return -(-size // block)
