"""The BatchNorm of the visual projection in the linear layer before it.

In half precision its statistics would stay in float32, with casts around them.
"""

from __future__ import annotations

from typing import Final

import torch
from torch import nn

from groupvit_export.graph.encoders import ImageEncoder
from groupvit_export.graph.linear import linear

SUMMARY: Final = "BatchNorm of the projection folded into the linear layer before it; reassociates"


def apply(encoder: ImageEncoder) -> None:
    """Change `encoder` in place."""
    first, norm, *rest = encoder.visual_projection
    assert isinstance(first, nn.Linear) and isinstance(norm, nn.BatchNorm1d)
    assert norm.running_mean is not None and norm.running_var is not None
    with torch.no_grad():
        dtype = first.weight.dtype
        scale = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
        weight = first.weight.double() * scale[:, None]
        bias = (first.bias.double() - norm.running_mean.double()) * scale + norm.bias.double()
        encoder.visual_projection = nn.Sequential(linear(weight.to(dtype), bias.to(dtype)), *rest)
