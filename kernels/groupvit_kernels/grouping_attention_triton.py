"""The grouping attention and its gradient in Triton, without atomics.

A token's logits are independent of all other tokens' (the softmax runs over groups), so nothing is carried
from token to token but the sums of the groups. Tiles are [tokens, groups]: the reduction over groups stays
within a row. Sums over tokens run in one program in a fixed order, so results are the same to the bit in
every run and for every batch.

Dots are told `ieee`: Triton's own choice for float32 is TF32, which moves tokens to other groups.
"""

from __future__ import annotations

import triton
import triton.language as tl


@triton.jit
def _products(
    query, tokens, b, n,
    groups, length, channels,
    query_b, query_g, query_c, tokens_b, tokens_n, tokens_c,
    GROUPS: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Products [BLOCK_N, GROUPS] of the tokens `n` of image `b` with its queries.

    The bias is the caller's: loaded early it costs `assign` its last registers, late it costs `fused` loads.
    """
    g = tl.arange(0, GROUPS)
    c = tl.arange(0, BLOCK_C)
    products = tl.zeros((BLOCK_N, GROUPS), tl.float32)
    for start in range(0, channels, BLOCK_C):
        inside = start + c < channels
        x = tl.load(
            tokens + b * tokens_b + n[:, None] * tokens_n + (start + c)[None, :] * tokens_c,
            mask=(n < length)[:, None] & inside[None, :], other=0.0,
        )  # fmt: skip
        q = tl.load(
            query + b * query_b + g[None, :] * query_g + (start + c)[:, None] * query_c,
            mask=inside[:, None] & (g < groups)[None, :], other=0.0,
        )  # fmt: skip
        products = tl.dot(x, q, products, input_precision="ieee")
    return products


@triton.jit
def _store_assignment(logits, best, soft, index, b, n, groups, length, GROUPS: tl.constexpr):
    """Write the soft map and the group of the tokens `n` of image `b`."""
    g = tl.arange(0, GROUPS)
    tl.store(index + b * length + n, best.to(tl.int64), mask=n < length)
    power = tl.exp(logits - tl.max(logits, axis=1)[:, None])
    share = power / tl.sum(power, axis=1)[:, None]
    tl.store(
        soft + b * groups * length + g[None, :] * length + n[:, None], share,
        mask=(n < length)[:, None] & (g < groups)[None, :],
    )  # fmt: skip


@triton.jit
def assign(
    query, tokens, bias, soft, index,
    groups, length, channels,
    query_b, query_g, query_c, tokens_b, tokens_n, tokens_c, bias_b, bias_g,
    GROUPS: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Soft map and group of BLOCK_N tokens of one image. Grid: (B, ceil(N / BLOCK_N))."""
    # A large batch times an image's elements leaves 32 bits.
    b = tl.program_id(0).to(tl.int64)
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    g = tl.arange(0, GROUPS)
    products = _products(
        query, tokens, b, n, groups, length, channels,
        query_b, query_g, query_c, tokens_b, tokens_n, tokens_c,
        GROUPS, BLOCK_N, BLOCK_C,
    )  # fmt: skip
    offset = tl.load(bias + b * bias_b + g * bias_g, mask=g < groups, other=0.0).to(tl.float32)
    logits = tl.where((g < groups)[None, :], products + offset[None, :], float("-inf"))
    best = tl.argmax(logits, axis=1, tie_break_left=True)
    _store_assignment(logits, best, soft, index, b, n, groups, length, GROUPS)


@triton.jit
def group_mean(
    tokens, index, means, count,
    groups, length, channels, eps,
    tokens_b, tokens_n, tokens_c,
    GROUPS: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Means of all groups in BLOCK_C channels of one image. Grid: (B, ceil(C / BLOCK_C))."""
    b = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    g = tl.arange(0, GROUPS)
    total = tl.zeros((GROUPS, BLOCK_C), tl.float32)
    members = tl.zeros((GROUPS,), tl.float32)
    for start in range(0, length, BLOCK_N):
        n = start + tl.arange(0, BLOCK_N)
        best = tl.load(index + b * length + n, mask=n < length, other=-1)
        x = tl.load(
            tokens + b * tokens_b + n[:, None] * tokens_n + c[None, :] * tokens_c,
            mask=(n < length)[:, None] & (c < channels)[None, :], other=0.0,
        )  # fmt: skip
        hard = tl.where(g[:, None] == best[None, :], 1.0, 0.0)
        total = tl.dot(hard.to(x.dtype), x, total, input_precision="ieee")
        members += tl.sum(hard, axis=1)
    mean = total / (members + eps)[:, None]
    tl.store(
        means + b * groups * channels + g[:, None] * channels + c[None, :], mean,
        mask=(g < groups)[:, None] & (c < channels)[None, :],
    )  # fmt: skip
    if tl.program_id(1) == 0:
        tl.store(count + b * groups + g, members, mask=g < groups)


@triton.jit
def fused(
    query, tokens, bias, means, soft, index, count,
    groups, length, channels, eps,
    query_b, query_g, query_c, tokens_b, tokens_n, tokens_c, bias_b, bias_g,
    GROUPS: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Everything in one launch, the logits anew for every BLOCK_C channels. Grid: (B, ceil(C / BLOCK_C)).

    Pays where a launch costs more than the logits: few tokens, few groups.
    """
    b = tl.program_id(0).to(tl.int64)
    slab = tl.program_id(1)
    own = slab * BLOCK_C + tl.arange(0, BLOCK_C)
    g = tl.arange(0, GROUPS)
    offset = tl.load(bias + b * bias_b + g * bias_g, mask=g < groups, other=0.0).to(tl.float32)
    total = tl.zeros((GROUPS, BLOCK_C), tl.float32)
    members = tl.zeros((GROUPS,), tl.float32)
    for first in range(0, length, BLOCK_N):
        n = first + tl.arange(0, BLOCK_N)
        products = _products(
            query, tokens, b, n, groups, length, channels,
            query_b, query_g, query_c, tokens_b, tokens_n, tokens_c,
            GROUPS, BLOCK_N, BLOCK_C,
        )  # fmt: skip
        logits = tl.where((g < groups)[None, :], products + offset[None, :], float("-inf"))
        best = tl.argmax(logits, axis=1, tie_break_left=True)
        x = tl.load(
            tokens + b * tokens_b + n[:, None] * tokens_n + own[None, :] * tokens_c,
            mask=(n < length)[:, None] & (own < channels)[None, :], other=0.0,
        )  # fmt: skip
        hard = tl.where((g[:, None] == best[None, :]) & (n < length)[None, :], 1.0, 0.0)
        total = tl.dot(hard.to(x.dtype), x, total, input_precision="ieee")
        members += tl.sum(hard, axis=1)
        if slab == 0:
            _store_assignment(logits, best, soft, index, b, n, groups, length, GROUPS)
    mean = total / (members + eps)[:, None]
    tl.store(
        means + b * groups * channels + g[:, None] * channels + own[None, :], mean,
        mask=(g < groups)[:, None] & (own < channels)[None, :],
    )  # fmt: skip
    if slab == 0:
        tl.store(count + b * groups + g, members, mask=g < groups)


@triton.jit
def backward_tokens(
    query, tokens, means, soft, index, count, grad_means, grad_soft, grad_count, grad_logits, grad_tokens,
    groups, length, channels, eps,
    query_b, query_g, query_c, tokens_b, tokens_n, tokens_c,
    GROUPS: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Gradients of BLOCK_N tokens and of their logits. Grid: (B, ceil(N / BLOCK_N)).

    All but `query` and `tokens` are contiguous. `grouping_attention_torch.plain_backward` has the formula.
    """
    b = tl.program_id(0).to(tl.int64)
    n = tl.program_id(1) * BLOCK_N + tl.arange(0, BLOCK_N)
    g = tl.arange(0, GROUPS)
    c = tl.arange(0, BLOCK_C)
    row = b * groups * channels
    size = tl.load(count + b * groups + g, mask=g < groups, other=0.0) + eps
    along = tl.zeros((BLOCK_N, GROUPS), tl.float32)
    shrunk = tl.zeros((GROUPS,), tl.float32)
    for start in range(0, channels, BLOCK_C):
        inside = start + c < channels
        x = tl.load(
            tokens + b * tokens_b + n[:, None] * tokens_n + (start + c)[None, :] * tokens_c,
            mask=(n < length)[:, None] & inside[None, :], other=0.0,
        ).to(tl.float32)  # fmt: skip
        places = row + g[None, :] * channels + (start + c)[:, None]
        both = inside[:, None] & (g < groups)[None, :]
        slope = tl.load(grad_means + places, mask=both, other=0.0)
        mean = tl.load(means + places, mask=both, other=0.0)
        along = tl.dot(x, slope, along, input_precision="ieee")
        shrunk += tl.sum(slope * mean, axis=0)
    whole = tl.load(grad_count + b * groups + g, mask=g < groups, other=0.0)
    cells = b * groups * length + g[None, :] * length + n[:, None]
    both = (n < length)[:, None] & (g < groups)[None, :]
    share = tl.load(soft + cells, mask=both, other=0.0)
    slope = (along - shrunk[None, :]) / size[None, :] + whole[None, :]
    slope += tl.load(grad_soft + cells, mask=both, other=0.0)
    slope = share * (slope - tl.sum(share * slope, axis=1)[:, None])
    tl.store(grad_logits + cells, slope, mask=both)
    best = tl.load(index + b * length + n, mask=n < length, other=0)
    divisor = tl.load(count + b * groups + best, mask=n < length, other=0.0) + eps
    for start in range(0, channels, BLOCK_C):
        inside = start + c < channels
        q = tl.load(
            query + b * query_b + g[:, None] * query_g + (start + c)[None, :] * query_c,
            mask=(g < groups)[:, None] & inside[None, :], other=0.0,
        ).to(tl.float32)  # fmt: skip
        known = (n < length)[:, None] & inside[None, :]
        own = tl.load(
            grad_means + row + best[:, None] * channels + (start + c)[None, :], mask=known, other=0.0
        )
        total = tl.dot(slope, q, own / divisor[:, None], input_precision="ieee")
        tl.store(
            grad_tokens + b * length * channels + n[:, None] * channels + (start + c)[None, :], total,
            mask=known,
        )  # fmt: skip


@triton.jit
def backward_groups(
    tokens, grad_logits, grad_query, grad_bias,
    groups, length, channels,
    tokens_b, tokens_n, tokens_c,
    GROUPS: tl.constexpr, BLOCK_N: tl.constexpr, BLOCK_C: tl.constexpr,
):  # fmt: skip
    """Gradients of queries and bias in BLOCK_C channels of one image. Grid: (B, ceil(C / BLOCK_C))."""
    b = tl.program_id(0).to(tl.int64)
    c = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    g = tl.arange(0, GROUPS)
    total = tl.zeros((GROUPS, BLOCK_C), tl.float32)
    whole = tl.zeros((GROUPS,), tl.float32)
    for start in range(0, length, BLOCK_N):
        n = start + tl.arange(0, BLOCK_N)
        slope = tl.load(
            grad_logits + b * groups * length + g[:, None] * length + n[None, :],
            mask=(g < groups)[:, None] & (n < length)[None, :], other=0.0,
        )  # fmt: skip
        x = tl.load(
            tokens + b * tokens_b + n[:, None] * tokens_n + c[None, :] * tokens_c,
            mask=(n < length)[:, None] & (c < channels)[None, :], other=0.0,
        ).to(tl.float32)  # fmt: skip
        total = tl.dot(slope, x, total, input_precision="ieee")
        whole += tl.sum(slope, axis=1)
    tl.store(
        grad_query + b * groups * channels + g[:, None] * channels + c[None, :], total,
        mask=(g < groups)[:, None] & (c < channels)[None, :],
    )  # fmt: skip
    if tl.program_id(1) == 0:
        tl.store(grad_bias + b * groups + g, whole, mask=g < groups)
