"""The contract in NumPy and float64: slow, obvious, and what every kernel is held against."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from groupvit_kernels.grouping_attention_contract import GroupingAttentionOutputs, check_inputs


def grouping_attention(
    query: ArrayLike, tokens: ArrayLike, bias: ArrayLike, eps: float = 1.0
) -> GroupingAttentionOutputs:
    """Evaluate `groupvit::GroupingAttention` in float64.

    Args:
        query: [B, G, C], already scaled and projected onto the tokens.
        tokens: [B, N, C], normalized tokens.
        bias: [B, G], added to the logits.
        eps: added to the count of a group before dividing.

    Returns:
        means [B, G, C], soft [B, G, N], count [B, G] in float64 and index [B, N] in int64.

    Raises:
        ValueError: the shapes break the contract.
    """
    query, tokens, bias = (np.asarray(x, dtype=np.float64) for x in (query, tokens, bias))
    check_inputs(query, tokens, bias, eps)

    logits = query @ tokens.transpose(0, 2, 1) + bias[:, :, None]
    # numpy.argmax returns the first maximum, which is the tie rule.
    index = logits.argmax(axis=1)
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    soft = exponentials / exponentials.sum(axis=1, keepdims=True)

    groups = np.arange(query.shape[1])
    hard = (index[:, None, :] == groups[None, :, None]).astype(np.float64)
    count = hard.sum(axis=2)
    means = (hard @ tokens) / (count + eps)[:, :, None]
    return GroupingAttentionOutputs(means=means, soft=soft, index=index, count=count)
