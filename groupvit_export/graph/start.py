"""What the first stage starts from: patches with positions, and group tokens that depend on no image."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from groupvit_export.graph.linear import constant
from groupvit_export.model.vision import VisionEmbeddings


class StartingTokens(nn.Module):
    """`VisionEmbeddings` that gives the first stage's group tokens out as well.

    Patches are followed by rows of zeros, to which a constant is added: the positions, and below them the
    group tokens. Nothing is repeated for every image of a batch and joined to it.

    Args:
        source: whose positions are those of the engine's grid already.
        group_tokens: [1, K, C].
    """

    def __init__(self, source: VisionEmbeddings, group_tokens: Tensor) -> None:
        super().__init__()
        self._grid_of = source.grid_of
        self.patch_embeddings = source.patch_embeddings
        self.layernorm = source.layernorm
        self.group_tokens = group_tokens.shape[1]
        with torch.no_grad():
            self.start = constant(torch.cat([source.position_embeddings, group_tokens], dim=1))

    def grid_of(self, pixel_values: Tensor) -> tuple[int, int]:
        """See `VisionEmbeddings.grid_of`."""
        return self._grid_of(pixel_values)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """[B, channels, H, W] to [B, N + K, C]."""
        patches = self.layernorm(self.patch_embeddings(pixel_values))
        return F.pad(patches, (0, 0, 0, self.group_tokens)) + self.start
