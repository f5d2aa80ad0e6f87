"""The token mixer without transposing: its weights are multiplied from the left."""

from __future__ import annotations

from torch import Tensor, nn

from groupvit_export.graph.linear import constant
from groupvit_export.model.layers import MixerMLP


class LeftMixer(nn.Module):
    """`MixerMLP`, as ``W2 @ act(W1 @ x + b1) + b2`` with the biases as columns; `source` is copied."""

    def __init__(self, source: MixerMLP) -> None:
        super().__init__()
        self.activation = source.activation
        self.first, self.first_bias = _columns(source.fc1)
        self.second, self.second_bias = _columns(source.fc2)

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, C] to [B, out, C]."""
        inner = self.activation(self.first @ x + self.first_bias)
        return self.second @ inner + self.second_bias


def _columns(layer: nn.Linear) -> tuple[nn.Parameter, nn.Parameter]:
    return constant(layer.weight), constant(layer.bias.unsqueeze(-1))
