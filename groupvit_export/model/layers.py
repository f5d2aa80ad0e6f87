"""The pieces that both towers are built from."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from groupvit_export.model.config import GroupViTTextConfig, GroupViTVisionConfig

__all__ = ["ACTIVATION_FUNCTIONS", "MLP", "Attention", "EncoderLayer", "MixerMLP"]

TowerConfig = GroupViTTextConfig | GroupViTVisionConfig


def _quick_gelu(x: Tensor) -> Tensor:
    return x * torch.sigmoid(1.702 * x)


def _tanh_gelu(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")


#: One function for each name in ``groupvit_export.model.config.ACTIVATIONS``.
ACTIVATION_FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_new": _tanh_gelu,
    "gelu_pytorch_tanh": _tanh_gelu,
    "quick_gelu": _quick_gelu,
    "relu": F.relu,
    "silu": F.silu,
    "swish": F.silu,
}


class Attention(nn.Module):
    """Multi-head attention of ``[B, T, C]`` queries over themselves or over ``[B, S, C]`` context.

    Written out rather than left to a fused kernel: the probabilities are an output that transformers
    gives too, and dropout then draws its noise in the same order.
    """

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.num_heads = config.num_attention_heads
        self.head_dim = config.head_dim
        self.scale = self.head_dim**-0.5
        self.dropout = config.attention_dropout
        self.q_proj = nn.Linear(width, width)
        self.k_proj = nn.Linear(width, width)
        self.v_proj = nn.Linear(width, width)
        self.out_proj = nn.Linear(width, width)

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.num_heads, self.head_dim)).transpose(1, 2)

    def forward(
        self, x: Tensor, context: Tensor | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Attend.

        Args:
            x: queries, ``[B, T, C]``.
            context: keys and values, ``[B, S, C]``; ``x`` where absent.
            mask: added to the scores, broadcastable to ``[B, heads, T, S]``.

        Returns:
            ``[B, T, C]`` and the probabilities ``[B, heads, T, S]``.
        """
        context = x if context is None else context
        query = self._split_heads(self.q_proj(x) * self.scale)
        key = self._split_heads(self.k_proj(context))
        value = self._split_heads(self.v_proj(context))
        scores = query @ key.transpose(-2, -1)
        if mask is not None:
            scores = scores + mask
        probabilities = scores.softmax(dim=-1)
        dropped = F.dropout(probabilities, p=self.dropout, training=self.training)
        gathered = (dropped @ value).transpose(1, 2).flatten(2)
        return self.out_proj(gathered), probabilities


class MLP(nn.Module):
    """Two linear layers with the tower's activation between them, over the last dimension."""

    def __init__(self, config: TowerConfig, in_size: int, inner_size: int, out_size: int) -> None:
        super().__init__()
        self.activation = ACTIVATION_FUNCTIONS[config.hidden_act]
        self.fc1 = nn.Linear(in_size, inner_size)
        self.fc2 = nn.Linear(inner_size, out_size)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.fc2(self.activation(self.fc1(x)))
        return out


class MixerMLP(MLP):
    """The same over the token dimension: ``[B, in_size, C]`` becomes ``[B, out_size, C]``."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class EncoderLayer(nn.Module):
    """A pre-norm transformer layer over ``[B, T, C]``."""

    def __init__(self, config: TowerConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.self_attn = Attention(config)
        self.layer_norm1 = nn.LayerNorm(width, eps=config.layer_norm_eps)
        self.mlp = MLP(config, width, config.intermediate_size, width)
        self.layer_norm2 = nn.LayerNorm(width, eps=config.layer_norm_eps)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Returns the layer's output ``[B, T, C]`` and its attention probabilities."""
        attended, probabilities = self.self_attn(self.layer_norm1(x), mask=mask)
        x = x + attended
        return x + self.mlp(self.layer_norm2(x)), probabilities
