"""Weight and bias of a LayerNorm in the linear layer behind it: what is left is one layer in every engine."""

from __future__ import annotations

from typing import Final, cast

import torch
from torch import Tensor, nn

from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.linear import linear

SUMMARY: Final = (
    "weight and bias of a LayerNorm that one linear layer reads folded into that layer; reassociates"
)


def apply(encoder: ImageEncoder) -> None:
    """Change `encoder` in place."""
    for layer in encoder.layers():
        attention = layer.self_attn
        norm = layer.layer_norm1
        for name in ("q_proj", "k_proj", "v_proj"):
            attention.add_module(name, _after(norm.weight, norm.bias, getattr(attention, name)))
        layer.layer_norm1 = _without_affine(norm)
        layer.mlp.fc1 = _after(layer.layer_norm2.weight, layer.layer_norm2.bias, layer.mlp.fc1)
        layer.layer_norm2 = _without_affine(layer.layer_norm2)
    for block in encoder.grouping_blocks():
        cross = block.pre_assign_attn
        cross.mlp.fc1 = _after(cross.norm2.weight, cross.norm2.bias, cross.mlp.fc1)
        cross.norm2 = _without_affine(cross.norm2)
        block.mlp_channels.fc1 = _after(
            block.norm_new_x.weight, block.norm_new_x.bias, block.mlp_channels.fc1
        )
        block.norm_new_x = _without_affine(block.norm_new_x)
    # Read as it is and as the mean over groups, which commutes, and by this layer both times.
    norm, projection = encoder.vision_model.layernorm, encoder.visual_projection
    projection[0] = _after(norm.weight, norm.bias, cast(nn.Linear, projection[0]))
    encoder.vision_model.layernorm = _without_affine(norm)


def _without_affine(norm: nn.LayerNorm) -> nn.LayerNorm:
    return nn.LayerNorm(norm.normalized_shape, eps=norm.eps, elementwise_affine=False)


def _after(affine_weight: Tensor, affine_bias: Tensor, layer: nn.Linear) -> nn.Linear:
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
