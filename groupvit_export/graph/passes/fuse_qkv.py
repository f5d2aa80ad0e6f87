"""Attention with its projections of one input in one product, and the scale inside the query's weights.

ONNX Runtime recognizes an int8 product only where nothing else reads the dequantized input: without this pass
none of query, key and value.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.linear import linear
from groupvit_export.model.layers import Attention

SUMMARY: Final = (
    "query, key and value by one product, key and value where groups look at tokens; the scale of "
    "the attention in the query's weights; exact where the scale is a power of two"
)


def apply(encoder: ImageEncoder) -> None:
    """Change `encoder` in place."""
    for layer in encoder.layers():
        layer.add_module("self_attn", FusedSelfAttention(layer.self_attn))
    for block in encoder.grouping_blocks():
        cross = block.pre_assign_attn
        cross.add_module("attn", FusedCrossAttention(cross.attn))


class _Fused(nn.Module):
    """What both kinds share; `source` is copied. In evaluation only: no dropout."""

    def __init__(self, source: Attention) -> None:
        super().__init__()
        self.num_heads, self.head_dim = source.num_heads, source.head_dim
        self.out_proj = linear(source.out_proj.weight, source.out_proj.bias)

    def _heads(self, projected: Tensor, parts: int) -> tuple[Tensor, ...]:
        """[B, T, parts * C] to so many [B, heads, T, D], by one transposition for all."""
        heads = projected.unflatten(-1, (parts * self.num_heads, self.head_dim)).transpose(1, 2)
        return heads.split(self.num_heads, dim=1) if parts > 1 else (heads,)

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor]:
        probabilities = (query @ key.transpose(-2, -1)).softmax(dim=-1)
        gathered = (probabilities @ value).transpose(1, 2).flatten(2)
        return self.out_proj(gathered), probabilities


class FusedSelfAttention(_Fused):
    """`Attention` of tokens over themselves: query, key and value by one product."""

    def __init__(self, source: Attention) -> None:
        super().__init__(source)
        self.qkv = _stacked(_scaled_query(source), source.k_proj, source.v_proj)

    def forward(self, x: Tensor, context: None = None, mask: None = None) -> tuple[Tensor, Tensor]:
        """See `Attention.forward`, for [B, T, C] without context and mask."""
        query, key, value = self._heads(self.qkv(x), 3)
        return self._attend(query, key, value)


class FusedCrossAttention(_Fused):
    """`Attention` of tokens over others: key and value by one product."""

    def __init__(self, source: Attention) -> None:
        super().__init__(source)
        self.query = _scaled_query(source)
        self.key_value = _stacked(source.k_proj, source.v_proj)

    def forward(self, x: Tensor, context: Tensor, mask: None = None) -> tuple[Tensor, Tensor]:
        """See `Attention.forward`, for [B, T, C] over [B, S, C] without mask."""
        (query,) = self._heads(self.query(x), 1)
        key, value = self._heads(self.key_value(context), 2)
        return self._attend(query, key, value)


def _scaled_query(source: Attention) -> nn.Linear:
    with torch.no_grad():
        weight, bias = source.q_proj.weight, source.q_proj.bias
        # The usual scale, of 64 channels a head, is a power of two: nothing is rounded then.
        scaled = ((item.double() * source.scale).to(item.dtype) for item in (weight, bias))
        return linear(*scaled)


def _stacked(*layers: nn.Linear) -> nn.Linear:
    return linear(torch.cat([layer.weight for layer in layers]), torch.cat([layer.bias for layer in layers]))
