"""First weights of a model that is trained from nothing; the distributions of transformers.

One difference: group tokens are drawn from a normal distribution. transformers starts them at zero,
where all groups are the same group, receive the same gradient and stay the same.
"""

from __future__ import annotations

import torch
from torch import nn

from groupvit_export.model.config import GroupViTTextConfig, GroupViTVisionConfig
from groupvit_export.model.layers import MLP, Attention

__all__ = ["initialize_linear", "initialize_tower"]


@torch.no_grad()
def initialize_linear(module: nn.Module, std: float) -> None:
    """Draw every linear layer, convolution and embedding under ``module``; biases become zero."""
    for layer in module.modules():
        if isinstance(layer, (nn.Linear, nn.Conv2d, nn.Embedding)):
            nn.init.normal_(layer.weight, std=std)
            if getattr(layer, "bias", None) is not None:
                nn.init.zeros_(layer.bias)  # type: ignore[arg-type]


@torch.no_grad()
def initialize_tower(tower: nn.Module, config: GroupViTTextConfig | GroupViTVisionConfig) -> None:
    """Draw all weights of a tower, narrower where residual branches add up."""
    width, factor = config.hidden_size, config.initializer_factor
    residual_std = width**-0.5 * (2 * config.num_hidden_layers) ** -0.5 * factor
    initialize_linear(tower, config.initializer_range)
    for layer in tower.modules():
        if isinstance(layer, Attention):
            for projection in (layer.q_proj, layer.k_proj, layer.v_proj):
                nn.init.normal_(projection.weight, std=residual_std)
            nn.init.normal_(layer.out_proj.weight, std=width**-0.5 * factor)
        elif isinstance(layer, MLP):
            nn.init.normal_(layer.fc1.weight, std=(2 * width) ** -0.5 * factor)
            nn.init.normal_(layer.fc2.weight, std=residual_std)
        elif isinstance(layer, nn.Embedding):
            nn.init.normal_(layer.weight, std=0.02 * factor)
    for name, parameter in tower.named_parameters():
        if name.endswith("group_token"):
            nn.init.normal_(parameter, std=0.02)
